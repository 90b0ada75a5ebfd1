// Package version has the differences between the versions of RabbitMQ.
package version

// Model is how one version behaves.
type Model struct {
	Major, Minor int

	// MaxBody is how many bytes a body may have.
	MaxBody int
	// Containers: since 4.0 the broker's annotations of a message are kept apart from the headers
	// that a sender wrote. So x-death of a sender is ignored, and CC stays when a dead-letter
	// key replaces it; there is x-last-death-*; and numbers are compared with their types.
	Containers bool

	// Of quorum queues:

	// DeliveryLimit is how many failed deliveries they allow by default; -1 is no limit.
	DeliveryLimit int64
	// ReleaseCounts: a message given back untouched has failed too.
	ReleaseCounts bool
	// ReturnsToTail: a requeued message goes behind all others, if the queue has no delivery
	// limit, unless it is requeued with its channel. Elsewhere it goes before fresh messages.
	ReturnsToTail bool
	// DelaysRetries: they have delayed retries. Others ignore the arguments.
	DelaysRetries bool
	// Priorities are those that they distinguish.
	Priorities Priorities
	// Died says what a message keeps of its failures when it is dead-lettered.
	Died Carried
	// Acquired: they count how often a message was delivered.
	Acquired bool
}

// models has the newest first.
var models = [...]Model{
	{
		Major: 4, Minor: 3, MaxBody: 16 << 20, Containers: true,
		DeliveryLimit: 20, DelaysRetries: true, Priorities: Strict, Died: WithAll, Acquired: true,
	},
	{
		Major: 4, Minor: 0, MaxBody: 16 << 20, Containers: true,
		DeliveryLimit: 20, ReleaseCounts: true, Priorities: TwoClasses, Died: WithRejections,
	},
	{
		Major: 3, Minor: 10, MaxBody: 128 << 20,
		DeliveryLimit: -1, ReleaseCounts: true, ReturnsToTail: true,
	},
}

// Newest returns the newest model.
func Newest() *Model { return &models[0] }

// Of returns the newest model that is not newer than major.minor, or else the oldest.
func Of(major, minor int) *Model {
	for i := range models {
		if m := &models[i]; major > m.Major || major == m.Major && minor >= m.Minor {
			return m
		}
	}
	return &models[len(models)-1]
}

// Priorities says which priorities a queue distinguishes.
type Priorities int

// The priorities of quorum queues.
const (
	One        Priorities = iota // delivered in the order of arrival
	TwoClasses                   // 5 and higher, and the others, whose turn is every third
	Strict                       // 0 to 31, higher first
)

// Carried says what a message keeps of its failed deliveries when it is dead-lettered.
type Carried int

// What is kept.
const (
	Nothing        Carried = iota
	WithRejections         // the rejections by quorum queues; shown only
	WithAll                // all, and they count in the next queue
)

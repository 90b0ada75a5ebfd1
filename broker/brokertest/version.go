package brokertest

import "github.com/gowarren/warren/broker"

// Version sets the expected version of RabbitMQ, where they differ: the newest of
// 3.10, 4.0 and 4.3 that is not newer than major.minor. Default: 4.3.
func Version(major, minor int) Option {
	return func(a *abilities) {
		for _, v := range versions {
			a.version = v // the oldest for all that are older
			if major > v.major || major == v.major && minor >= v.minor {
				return
			}
		}
	}
}

// version is the behaviour of a version of RabbitMQ.
type version struct {
	major, minor int

	// Of dead-lettering:

	// ownDeaths: the broker counts the deaths that it has recorded itself, not those in x-death of a
	// sender; it writes x-last-death-*, and CC stays where a dead-letter key replaces it.
	ownDeaths bool
	// countAfterDeath is x-delivery-count at the first delivery of a message that a quorum
	// queue delivered three times and dead-lettered to another one.
	countAfterDeath int64
	// countsGoOn: it counts on there, toward the limit of that queue.
	countsGoOn bool

	// Of quorum queues:

	// deliveryLimit is the default one; 0 is none.
	deliveryLimit int
	// untouchedCounts: a message that is given back untouched counts as failed.
	untouchedCounts bool
	// acquired: x-acquired-count says how often a message came before.
	acquired bool
	// requeued and requeuedWithLimit are the order after 2, 0 and 1 of 0 to 5 were given
	// back, in that order, and 3 was acked.
	requeued, requeuedWithLimit []string
	// priorities is the order of messages that were published in the order of "by priority".
	priorities []string
	// zeroPriority is that of the messages of "a priority of 0 is not none".
	zeroPriority []string
	// delaysRetries: they delay retries; a broker that cannot refuses to declare them.
	delaysRetries bool

	// mixedNumbers: in a headers exchange an integer equals a float, and a header can be a time.
	mixedNumbers bool
	// maxBody is the largest body by default.
	maxBody int
}

var versions = []version{
	{
		major: 4, minor: 3,
		ownDeaths: true, countAfterDeath: 3, countsGoOn: true,
		deliveryLimit: 20, acquired: true, delaysRetries: true,
		requeued: []string{"2", "0", "1", "4", "5"}, requeuedWithLimit: []string{"2", "0", "1", "4", "5"},
		priorities:   []string{"9a", "9b", "5a", "5b", "none a", "4a", "none b", "4b", "3a", "3b"},
		zeroPriority: []string{"none", "three", "zero"},
		maxBody:      16 << 20,
	},
	{
		major: 4, minor: 0,
		ownDeaths: true, countAfterDeath: 1,
		deliveryLimit: 20, untouchedCounts: true,
		requeued: []string{"2", "0", "1", "4", "5"}, requeuedWithLimit: []string{"2", "0", "1", "4", "5"},
		priorities:   []string{"5a", "9a", "none a", "5b", "9b", "3a", "4a", "none b", "3b", "4b"},
		zeroPriority: []string{"zero", "three", "none"},
		maxBody:      16 << 20,
	},
	{
		major: 3, minor: 10,
		untouchedCounts: true,
		requeued:        []string{"4", "5", "2", "0", "1"}, requeuedWithLimit: []string{"2", "0", "1", "4", "5"},
		priorities:   []string{"none a", "3a", "4a", "5a", "9a", "none b", "3b", "4b", "5b", "9b"},
		zeroPriority: []string{"zero", "three", "none"},
		mixedNumbers: true, maxBody: 128 << 20,
	},
}

// patient is a quorum queue in which no message dies of the version's default limit, however
// often it is given back untouched.
func (v version) patient() broker.Queue {
	q := broker.Queue{Type: broker.Quorum}
	if v.untouchedCounts && v.deliveryLimit > 0 {
		q.DeliveryLimit = broker.HighDeliveryLimit
	}
	return q
}

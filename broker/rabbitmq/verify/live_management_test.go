package verify_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq/verify"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// AMQP counts messages: management is some seconds late.
func (m *managed) messages(t *testing.T) {
	w := m.newVhost(t)
	topology := ladder(t, broker.Queue{Name: "mail"})
	require.NoError(t, w.broker.Declare(within(t), topology))
	_, err := w.raw.QueueDelete("mail", false, false, false)
	require.NoError(t, err)
	exit := exitOf(t, topology)
	lost := strings.TrimSuffix(exit, "exit") + "lost"
	for range 3 {
		require.NoError(t, w.raw.PublishWithContext(within(t), exit, "mail", false, false, amqp.Publishing{}))
	}
	ready(t, w.broker, lost, 3)
	require.NoError(t, w.broker.Declare(within(t), topology))

	want := []verify.Finding{notice(verify.LostMessages, lost, "3 messages lie in it: their work queue was missing")}
	report := w.verify(t, topology)
	require.Equal(t, want, bare(t, report))
	require.NoError(t, report.Err())
	require.Equal(t, want, bare(t, w.verify(t, topology, verify.Management(m.url))))
}

// exitOf is the exchange that a ladder ends in.
func exitOf(t *testing.T, topology broker.Topology) string {
	t.Helper()
	for _, x := range topology.Exchanges {
		if strings.HasSuffix(x.Name, ".exit") {
			return x.Name
		}
	}
	require.Fail(t, "a ladder has an exit")
	return ""
}

func (m *managed) leftovers(t *testing.T) {
	w := m.newVhost(t)
	require.NoError(t, w.broker.Declare(within(t), queues(
		broker.Queue{Name: "mail.delay.1s"}, broker.Queue{Name: "mail.delay.5s"}, broker.Queue{Name: "mail.delay.9s"},
		broker.Queue{Name: "mail.delay.own", Exclusive: true}, broker.Queue{Name: "mails"}, broker.Queue{Name: "sms.old"})))
	require.NoError(t, w.broker.Publisher().Publish(within(t), to("mail.delay.5s"), text("m")))
	topology := queues(broker.Queue{Name: "mail.delay.1s"}, broker.Queue{Name: "mail.delay.own", Exclusive: true})
	topology.Owned = []string{"mail.delay.", "sms.", "sms.ol"}

	report := w.verify(t, topology, verify.Management(m.url))
	require.Equal(t, []verify.Finding{
		notice(verify.Leftover, "mail.delay.5s", "it is left over from an earlier topology, and holds 1 messages"),
		notice(verify.Leftover, "mail.delay.9s", "it is left over from an earlier topology, and holds 0 messages"),
		notice(verify.Leftover, "sms.old", "it is left over from an earlier topology, and holds 0 messages"),
	}, bare(t, report))
	require.NoError(t, report.Err())
	require.Equal(t, []string{`queue "mail.delay.own", with its bindings: it is exclusive, and belongs to one connection`}, report.Unchecked)
}

// A service that has a ladder now had steps before.
func (m *managed) stepsLeftByALadder(t *testing.T) {
	w := m.newVhost(t)
	topology := ladder(t, broker.Queue{Name: "mail"})
	require.NoError(t, w.broker.Declare(within(t), topology))
	require.NoError(t, w.broker.Declare(within(t), queues(broker.Queue{Name: "mail.delay.v1.quorum.30s"}, broker.Queue{Name: "sms.delay.v1.quorum.30s"})))
	require.Equal(t, []verify.Finding{
		notice(verify.Leftover, "mail.delay.v1.quorum.30s", "it is left over from an earlier topology, and holds 0 messages"),
	}, bare(t, w.verify(t, topology, verify.Management(m.url))))
}

func (m *managed) policies(t *testing.T) {
	w := m.newVhost(t)
	topology := queues(
		broker.Queue{Name: "plain"}, broker.Queue{Name: "longer", MessageTTL: 2 * time.Second}, broker.Queue{Name: "shorter", MessageTTL: 500 * time.Millisecond},
		broker.Queue{Name: "keeps", MessageTTL: time.Millisecond, Overflow: broker.DropHead}, broker.Queue{Name: "other"},
		broker.Queue{Name: "limited", Type: broker.Quorum, DeadLetter: &broker.DeadLetter{RoutingKey: "other"}}, delayTo("delay", "", "plain"))
	policy := func(name, pattern, definition string) {
		w.do(t, http.MethodPut, "policies/"+url.PathEscape(w.vhost)+"/"+name, `{"pattern":"`+pattern+`","apply-to":"queues","definition":`+definition+`}`)
	}
	policy("a", "^(plain|longer|shorter|keeps)$", `{"message-ttl":1000,"overflow":"reject-publish","max-length":5,"queue-mode":"lazy"}`)
	policy("b", "^limited$", `{"delivery-limit":3}`)
	require.NoError(t, w.broker.Declare(within(t), topology))
	require.Eventually(t, func() bool {
		return strings.Count(string(w.do(t, http.MethodGet, "queues/"+url.PathEscape(w.vhost), "")), `"effective_policy_definition":{"`) == 5
	}, patience, 50*time.Millisecond)

	report := w.verify(t, topology, verify.Management(m.url), verify.InPlace(4))
	const changes = "a policy changes what it does: "
	require.Equal(t, []verify.Finding{
		fault(verify.RejectingTarget, "", "plain", "delays hand on to it, and it refuses when it is full: they drop what it refuses"),
		fault(verify.DeliveryLimit, "", "limited", "its delivery limit is 3, and messages may go back to it 4 times"),
		notice(verify.PolicyApplies, "plain", changes+`x-max-length: planned none, live 5, x-message-ttl: planned none, live 1000 (1s), x-overflow: planned none, live "reject-publish"`),
		notice(verify.PolicyApplies, "longer", changes+`x-max-length: planned none, live 5, x-message-ttl: planned 2000 (2s), live 1000 (1s), x-overflow: planned none, live "reject-publish"`),
		notice(verify.PolicyApplies, "shorter", changes+`x-max-length: planned none, live 5, x-overflow: planned none, live "reject-publish"`),
		notice(verify.PolicyApplies, "keeps", changes+`x-max-length: planned none, live 5`),
		notice(verify.PolicyApplies, "limited", changes+`x-delivery-limit: planned none, live 3`),
	}, bare(t, report))
}

// Another broker's management would report everything missing, or all of it fine.
func (m *managed) anotherCluster(t *testing.T) {
	other := open(t, rabbitmqtest.Shared(t).URL())
	_, err := verify.Topology(within(t), other, broker.Topology{}, verify.Management(m.url))
	require.ErrorContains(t, err, "it is of the cluster")
}

func (m *managed) wrongPassword(t *testing.T) {
	w := m.newVhost(t)
	wrong := strings.Replace(m.url, "guest:guest", "guest:"+secret, 1)
	_, err := verify.Topology(within(t), w.broker, broker.Topology{}, verify.Management(wrong))
	require.ErrorContains(t, err, "401")
	require.NotContains(t, err.Error(), secret)
}

// A user to whom management shows nothing must not make everything look missing.
func (m *managed) noRightsInTheVhost(t *testing.T) {
	w := m.newVhost(t)
	user := name(t)
	w.do(t, http.MethodPut, "users/"+url.PathEscape(user), `{"password":"`+secret+`","tags":"management"}`)
	_, err := verify.Topology(within(t), w.broker, broker.Topology{}, verify.Management(strings.Replace(m.url, "guest:guest", url.PathEscape(user)+":"+secret, 1)))
	require.ErrorContains(t, err, "rights in the vhost", "3.10 and 4.0 answer 401, 4.3 answers 404")
	require.NotContains(t, err.Error(), secret)
}

func (m *managed) severalNodes(t *testing.T) {
	w := m.newVhost(t)
	dead := "http://guest:" + secret + "@127.0.0.1:1"
	report, err := verify.Topology(within(t), w.broker, broker.Topology{}, verify.Management(dead, strings.Replace(m.url, "guest:guest@", "", 1)))
	require.NoError(t, err, "guest is who it is without credentials")
	require.Equal(t, &verify.Report{}, report)

	_, err = verify.Topology(within(t), w.broker, broker.Topology{}, verify.Management(dead), verify.Management(dead))
	require.Error(t, err)
	require.Equal(t, 2, strings.Count(err.Error(), "management of 127.0.0.1:1: "))
	require.NotContains(t, err.Error(), secret)
}

// An exchange of another, plugin's kind is reported, and no further question is asked.
func (m *managed) pluginKinds(t *testing.T) {
	w := m.newVhost(t)
	topology := exchanges(broker.Exchange{Name: "x", Kind: "x-random", Transient: true})
	require.NoError(t, w.broker.Declare(within(t), topology))
	require.Equal(t, &verify.Report{}, w.verify(t, topology, verify.Management(m.url)))
	report := w.verify(t, topology)
	require.Empty(t, report.Findings)
	require.Contains(t, report.Unchecked[0], `what exchange "x" was declared with: the broker does not tell: an exchange of a plugin`)

	topology.Exchanges[0].Kind = broker.Direct
	report = w.verify(t, topology)
	require.Equal(t, []verify.Finding{fault(verify.DifferentExchange, "x", "", `type: planned "direct", live "x-random"`)}, bare(t, report))
	require.Contains(t, report.Unchecked[0], `what exchange "x" was declared with: the broker does not tell: an exchange of a plugin`)
}

// A user without the configure permission may not ask by declaring.
func (m *managed) noRights(t *testing.T) {
	w := m.newVhost(t)
	user := name(t)
	w.do(t, http.MethodPut, "users/"+url.PathEscape(user), `{"password":"p","tags":"management"}`)
	w.do(t, http.MethodPut, "permissions/"+url.PathEscape(w.vhost)+"/"+url.PathEscape(user), `{"configure":"^$","write":".*","read":".*"}`)
	topology := exchanges(broker.Exchange{Name: "x", Kind: broker.Topic}).Merge(queues(broker.Queue{Name: "q"}))
	require.NoError(t, w.broker.Declare(within(t), topology))
	w.broker = open(t, m.node.URLFor(user, "p", w.vhost))

	topology.Queues[0].MaxLength = 5
	topology.Queues = append(topology.Queues, broker.Queue{Name: "missing"})
	report := w.verify(t, topology)
	require.Equal(t, []verify.Finding{fault(verify.MissingQueue, "", "missing", "it does not exist")}, bare(t, report))
	require.Contains(t, report.Unchecked[0], `what exchange "x" was declared with: the broker does not tell: ACCESS_REFUSED`)
	require.Contains(t, report.Unchecked[1], `what queue "q" was declared with: the broker does not tell: ACCESS_REFUSED`)

	report = w.verify(t, topology, verify.Management(strings.Replace(m.url, "guest:guest", url.PathEscape(user)+":p", 1)))
	require.Len(t, report.Findings, 2)
	require.Empty(t, report.Unchecked)
}

// Verify never creates a queue that vanishes while it looks: a client that declares it again would
// find Verify's.
func (m *managed) race(t *testing.T) {
	w := m.newVhost(t)
	plan := exchanges(broker.Exchange{Name: "x", Kind: broker.Topic, AutoDelete: true}).Merge(queues(broker.Queue{Name: "q", MessageTTL: time.Hour, MaxLength: 7}))
	before := w.everything(t)
	var running sync.WaitGroup
	stop := make(chan struct{})
	running.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			_, err := w.raw.QueueDeclare("q", true, false, false, false, nil)
			if err == nil {
				err = w.raw.ExchangeDeclare("x", "topic", true, false, false, false, nil)
			}
			if err == nil {
				_, err = w.raw.QueueDelete("q", false, false, false)
			}
			if err == nil {
				err = w.raw.ExchangeDelete("x", false, false)
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	kinds := map[verify.Kind]int{}
	for i := 0; i < 500 && (i < 100 || len(kinds) < 4); i++ {
		report, err := verify.Topology(within(t), w.broker, plan)
		require.NoError(t, err)
		for _, f := range report.Findings {
			kinds[f.Kind]++
		}
	}
	close(stop)
	running.Wait()
	require.Len(t, kinds, 4, "both were seen missing and different, and as nothing else: %v", kinds)
	require.Equal(t, before, w.everything(t))
}

// A vhost may turn a queue without a type into a quorum queue, with the server's default delivery
// limit. It equals the plan; Verify still asks for its type. On 3.10 it has no limit.
func (m *managed) typeOfTheVhost(t *testing.T) {
	w := m.newVhostOf(t, `{"default_queue_type":"quorum"}`)
	plan := queues(broker.Queue{Name: "q"}, broker.Queue{Name: "c", Type: broker.Classic})
	require.NoError(t, w.broker.Declare(within(t), plan))
	var want []verify.Finding
	if rabbitmqtest.Version(t).AtLeast(4, 0) {
		want = append(want, fault(verify.DeliveryLimit, "", "q", "its delivery limit is 20, the broker's default; it then drops them"))
	}
	require.Equal(t, want, bare(t, w.verify(t, plan)))
	require.Equal(t, want, bare(t, w.verify(t, plan, verify.Management(m.url))))
}

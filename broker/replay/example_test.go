package replay_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/broker/replay"
	"github.com/gowarren/warren/processor"
)

// The mail server was down, and is up again: messages that failed by a timeout go back to the
// work queue, and the others stay.
func Example() {
	ctx := context.Background()
	b := memory.New()
	defer func() { _ = b.Close(ctx) }()
	if err := b.Declare(ctx, broker.Topology{Queues: []broker.Queue{{Name: "mail"}, {Name: "mail_parked"}}}); err != nil {
		fmt.Println(err)
	}
	for _, reason := range []string{"dial: timeout", "550 no such user", "read: timeout"} {
		// In a real program retry.New(..., retry.ParkKey("mail_parked")) has written this.
		if err := b.Publisher().Publish(ctx, processor.Destination{RoutingKey: "mail_parked"}, processor.Envelope{
			Headers: processor.Headers{
				"warren-original-exchange": "", "warren-original-routing-key": "mail", "warren-error": reason,
			},
		}); err != nil {
			fmt.Println(err)
		}
	}

	counts, err := replay.Run(ctx, b, "mail_parked",
		replay.ToOrigin(processor.Destination{RoutingKey: "mail"}), // back to this queue, and to no other
		replay.Filter(func(msg processor.Message) bool {
			return strings.Contains(replay.FailureOf(msg).Error, "timeout")
		}),
		replay.OnEvent(func(e replay.Event) {
			fmt.Println(replay.FailureOf(e.Message).Error, "->", e.Outcome)
		}),
	)
	fmt.Printf("%+v %v\n", counts, err)
	// Output:
	// dial: timeout -> moved
	// 550 no such user -> left
	// read: timeout -> moved
	// {Total:3 Seen:3 Moved:2 Left:1 Failed:0} <nil>
}

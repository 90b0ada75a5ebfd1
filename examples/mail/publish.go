package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/gowarren/warren/processor"
)

// publishMails publishes the set of mails a number of times. A mail counts as published once the
// broker has confirmed it.
func publishMails(ctx context.Context, p processor.Publisher, copies int, j *journal, log *slog.Logger) error {
	day := rand.Text()[:6] // tells this run's mails from an earlier run's
	for n := range copies {
		for _, m := range mails() {
			id := fmt.Sprintf("%s-%s", m.To, day)
			if n > 0 {
				id = fmt.Sprintf("%s-%d", id, n+1)
			}
			j.begin(id)
			if err := publish(ctx, p, id, m, log); err != nil {
				return err
			}
			j.published(id)
		}
	}
	return nil
}

// publish publishes until the broker confirms or refuses. If its answer is lost the mail is
// published again, under the same id: better twice than never.
func publish(ctx context.Context, p processor.Publisher, id string, m mail, log *slog.Logger) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	to := processor.Destination{Exchange: mailExchange, RoutingKey: mailKey}
	e := processor.Envelope{
		Body:       body,
		Properties: processor.Properties{ID: id, ContentType: "application/json"},
	}
	for {
		err := p.Publish(ctx, to, e)
		if !errors.Is(err, processor.ErrIndeterminate) || ctx.Err() != nil {
			return err
		}
		log.Warn("published again", slog.String("id", id), slog.Any("error", err))
	}
}

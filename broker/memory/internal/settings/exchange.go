package settings

import (
	"fmt"
	"strings"

	"github.com/gowarren/warren/broker"
)

// Exchange has the settings that must be the same when an exchange is declared again.
type Exchange struct {
	Kind                  broker.Kind
	Alternate             string // "" is none
	Internal              bool
	transient, autoDelete bool
}

// ReadExchange returns the settings of an exchange.
func ReadExchange(x broker.Exchange) Exchange {
	alternate, _ := x.AllArguments().String("alternate-exchange")
	return Exchange{Kind: x.Kind, Alternate: alternate, Internal: x.Internal, transient: x.Transient, autoDelete: x.AutoDelete}
}

func (x Exchange) String() string {
	parts := []string{"kind " + string(x.Kind)}
	if x.Alternate != "" {
		parts = append(parts, fmt.Sprintf("alternate exchange %q", x.Alternate))
	}
	parts = append(parts, flags(x.transient, x.autoDelete, false, x.Internal)...)
	return strings.Join(parts, ", ")
}

// flags names those that are set.
func flags(transient, autoDelete, exclusive, internal bool) []string {
	var names []string
	for _, flag := range []struct {
		set  bool
		name string
	}{{transient, "transient"}, {autoDelete, "auto-delete"}, {exclusive, "exclusive"}, {internal, "internal"}} {
		if flag.set {
			names = append(names, flag.name)
		}
	}
	return names
}

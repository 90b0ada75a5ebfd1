package memorylimit

import (
	"runtime/debug"
	"runtime/metrics"
)

// gauge reads how much memory is used. It is used by one goroutine at a time.
type gauge struct {
	used    func() (bytes uint64)
	collect func() // returns garbage to the system
}

func newGauge() gauge {
	samples := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	return gauge{
		used: func() uint64 {
			metrics.Read(samples)
			return samples[0].Value.Uint64() - samples[1].Value.Uint64()
		},
		collect: debug.FreeOSMemory,
	}
}

func toMiB(bytes uint64) uint64 { return bytes >> 20 }

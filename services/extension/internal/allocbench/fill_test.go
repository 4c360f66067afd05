package allocbench

import (
	"sync"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
)

// fills are how many of the numbers of an account are assigned before anything is measured.
var fills = []int{1_000, 100_000, 900_000}

// fill measures whether giving out a number costs more when many are assigned, in rounds, and reports of each case the round with the
// middle latency. It leaves the fullest account out when it has to be quick: filling it takes longer than measuring.
func (m *measurement) fill() {
	t := m.product()
	defer t.stop()
	wanted := fills
	if *quick {
		wanted = fills[:2]
	}
	tenants := make([]tenant, len(wanted))
	for i, assigned := range wanted {
		tenants[i] = m.tenant(m.db, firstNumber, "4999999") // room for what is measured
		m.assign(tenants[i], assigned)
	}
	for _, s := range []shape{{1, 1}, {32, 1}} {
		cases := make([][]testCase, len(wanted))
		for range 2*m.rounds - 1 {
			for i, assigned := range wanted {
				cases[i] = append(cases[i], m.take(assigned, "product, filled", s, t, ask(t, tenants[i], s.Batch)))
			}
		}
		for _, of := range cases {
			m.report.add(middle(of, func(c testCase) float64 { return c.P50 }))
		}
	}
}

// assign gives out the lowest count numbers of a tenant behind the service's back.
func (m *measurement) assign(to tenant, count int) {
	m.Helper()
	const at, workers = 1000, 4
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for from := w * at; from < count; from += workers * at {
				ns, owners := make([]number.Number, at), make([]uuid.UUID, at)
				for i := range at {
					ns[i], owners[i] = to.rng.From+number.Number(from+i), uuid.Must(uuid.NewV7())
				}
				if err := insert(m.Context(), m.db.Pool(), to, ns, owners); err != nil {
					m.Errorf("fill: %v", err)
					return
				}
			}
		})
	}
	all.Wait()
	require.False(m, m.Failed())
}

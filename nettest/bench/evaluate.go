package main

import "slices"

// evaluate fills in the figures and the ratios of every row.
func (t *Table) evaluate() {
	for _, row := range t.Rows {
		row.Figures = map[string]Figure{}
		for _, m := range t.work.Metrics {
			if v := row.values(m); len(v) > 0 {
				row.Figures[m.Name] = Figure{median(v), slices.Min(v), slices.Max(v)}
			}
		}
	}
	for _, row := range t.Rows {
		row.Ratios = map[string]map[string]float64{}
		for _, m := range t.work.Metrics {
			for _, other := range t.Rows {
				if v, ok := t.ratio(m, row, other); ok {
					if row.Ratios[m.Name] == nil {
						row.Ratios[m.Name] = map[string]float64{}
					}
					row.Ratios[m.Name][other.Contender] = v
				}
			}
		}
	}
}

// values are the metric's values of the row's runs.
func (r *Row) values(m Metric) []float64 {
	var v []float64
	if m.Syscalls {
		if r.Counted != nil {
			if x, ok := m.Of(*r.Counted); ok {
				v = append(v, x)
			}
		}
		return v
	}
	for _, run := range r.Runs {
		if x, ok := m.Of(run); ok {
			v = append(v, x)
		}
	}
	return v
}

// ratio is the median over the runs of the metric of a by that of b in the same
// run.
func (t *Table) ratio(m Metric, a, b *Row) (float64, bool) {
	if m.Syscalls || a == b {
		return 0, false
	}
	var ratios []float64
	for i, index := range a.Indexes {
		k := slices.Index(b.Indexes, index)
		if k < 0 {
			continue
		}
		x, ok1 := m.Of(a.Runs[i])
		y, ok2 := m.Of(b.Runs[k])
		if ok1 && ok2 && y != 0 {
			ratios = append(ratios, x/y)
		}
	}
	if len(ratios) == 0 {
		return 0, false
	}
	return median(ratios), true
}

// median of v, which is not empty.
func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// row returns the row of a contender, or nil.
func (t *Table) row(contender string) *Row {
	for _, r := range t.Rows {
		if r.Contender == contender {
			return r
		}
	}
	return nil
}

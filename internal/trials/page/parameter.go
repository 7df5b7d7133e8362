package page

import (
	"github.com/permafrost-ml/permafrost/internal/chart"
	"github.com/permafrost-ml/permafrost/internal/search/space"
)

// parameter is the axis of a parameter of the space.
func parameter(p *space.Param) chart.Axis {
	a := chart.Axis{Label: p.Name, Text: chart.Number}
	if p.Kind <= space.Ordered {
		for _, v := range p.Values {
			a.Names = append(a.Names, shown(v))
		}
		return a
	}
	a.Low, a.High, a.Log = p.Low, p.High, p.Log
	if a.Low == a.High {
		a.Low, a.High, a.Log = a.Low-0.5, a.High+0.5, false
	}
	return a
}

// position is the number by which the axis of a parameter knows a value.
func position(p *space.Param, v space.Value) float64 {
	if p.Kind <= space.Ordered {
		return float64(p.Index(v))
	}
	x, _ := v.Float()
	return x
}

// shown writes a value; an empty text needs a sign.
func shown(v space.Value) string {
	if s := v.String(); s != "" {
		return s
	}
	return "(none)"
}

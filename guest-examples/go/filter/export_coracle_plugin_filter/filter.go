// Package export_coracle_plugin_filter refuses nodes without the label that `spec.config.require` names.
package export_coracle_plugin_filter

import (
	filter "wit_component/coracle_plugin_filter"
	table "wit_component/export_coracle_plugin_node_table"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// Filter is called once per pod, for all candidates.
func Filter(pod filter.Pod, candidates []uint32) wit.Result[filter.Verdicts, string] {
	passed := make([]uint8, (len(candidates)+7)/8)
	all := true
	for place, node := range candidates {
		if table.Lacks(node) {
			all = false
		} else {
			passed[place/8] |= 1 << (place % 8)
		}
	}
	verdicts := filter.Verdicts{Passed: passed}
	if !all {
		label, _ := table.Required()
		// No other pod can give a node a label. One reason is that of all: no codes.
		verdicts.Reasons = []filter.Reason{{Code: filter.Code_UnschedulableAndUnresolvable, Text: "node(s) lacked the label " + label}}
	}
	return wit.Ok[filter.Verdicts, string](verdicts)
}

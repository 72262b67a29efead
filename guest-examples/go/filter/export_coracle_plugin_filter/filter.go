// Package export_coracle_plugin_filter refuses nodes without the label that `spec.config.require` names.
package export_coracle_plugin_filter

import (
	filter "wit_component/coracle_plugin_filter"
	table "wit_component/export_coracle_plugin_node_table"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// Filter is called once per pod, for all candidates.
func Filter(pod filter.Pod, candidates []uint32) wit.Result[filter.Refusals, string] {
	var refused filter.Refusals
	for _, node := range candidates {
		if table.Lacks(node) {
			refused.Nodes = append(refused.Nodes, filter.Refusal{Node: node, Reason: 0})
		}
	}
	if len(refused.Nodes) > 0 {
		label, _ := table.Required()
		// No other pod can give a node a label.
		code := filter.Code(filter.Code_UnschedulableAndUnresolvable)
		refused.Reasons = []filter.Reason{{Code: code, Text: "node(s) lacked the label " + label}}
	}
	return wit.Ok[filter.Refusals, string](refused)
}

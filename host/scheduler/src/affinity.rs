//! Node selectors: `k8s.io/component-helpers/scheduling/corev1/nodeaffinity`.

use object::{Map, Object, Value};

/// Which nodes a pod may go to, and which it likes.
#[derive(Clone, Debug, Default)]
pub struct NodeSelection {
    /// `spec.nodeSelector`.
    pub labels: Vec<(String, String)>,
    /// `requiredDuringSchedulingIgnoredDuringExecution`: any term suffices; none of none does.
    pub required: Option<Vec<Term>>,
    /// `preferredDuringSchedulingIgnoredDuringExecution`, with weights of 1 to 100.
    pub preferred: Vec<(i64, Term)>,
}

/// All of its requirements must be met; one without any meets nothing.
#[derive(Clone, Debug, Default)]
pub struct Term {
    expressions: Vec<Requirement>,
    /// On `metadata.name`, the only field upstream knows.
    fields: Vec<Requirement>,
}

#[derive(Clone, Debug)]
struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    Gt,
    Lt,
    /// An operator that the API does not have: meets nothing.
    Unknown,
}

impl NodeSelection {
    pub fn of(pod: &Object) -> Self {
        let selector = pod.at(&["spec", "nodeSelector"]).and_then(Value::as_object);
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let affinity = |field| pod.at(&["spec", "affinity", "nodeAffinity", field]);
        let required = affinity("requiredDuringSchedulingIgnoredDuringExecution").filter(|v| v.is_object());
        let preferred = affinity("preferredDuringSchedulingIgnoredDuringExecution").and_then(Value::as_array);
        Self {
            labels: selector.into_iter().flatten().map(|(k, v)| (k.clone(), text(v))).collect(),
            required: required.map(|r| items(r, "nodeSelectorTerms").map(Term::of).collect()),
            preferred: preferred
                .into_iter()
                .flatten()
                .filter_map(|p| Some((p.get("weight")?.as_i64()?, Term::of(p.get("preference")?))))
                .filter(|(weight, _)| *weight != 0)
                .collect(),
        }
    }

    pub fn is_anywhere(&self) -> bool {
        self.labels.is_empty() && self.required.is_none()
    }

    /// Whether the pod may go to a node with this name and these labels.
    pub fn allows(&self, name: &str, labels: Option<&Map<String, Value>>) -> bool {
        let label = |key: &str| labels.and_then(|l| l.get(key)).and_then(Value::as_str);
        self.labels.iter().all(|(k, v)| label(k) == Some(v.as_str()))
            && self.required.as_ref().is_none_or(|terms| terms.iter().any(|t| t.matches(name, labels)))
    }
}

impl Term {
    fn of(term: &Value) -> Self {
        Self {
            expressions: items(term, "matchExpressions").map(Requirement::of).collect(),
            fields: items(term, "matchFields").map(Requirement::of).collect(),
        }
    }

    pub fn matches(&self, name: &str, labels: Option<&Map<String, Value>>) -> bool {
        let label = |key: &str| labels.and_then(|l| l.get(key)).and_then(Value::as_str);
        let field = |key: &str| (key == "metadata.name").then_some(name);
        !(self.expressions.is_empty() && self.fields.is_empty())
            && self.expressions.iter().all(|r| r.matches(label(&r.key)))
            && self.fields.iter().all(|r| r.matches(field(&r.key)))
    }
}

impl Requirement {
    fn of(requirement: &Value) -> Self {
        let text = |v: Option<&Value>| v.and_then(Value::as_str).unwrap_or_default().to_owned();
        let operator = match text(requirement.get("operator")).as_str() {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            "Gt" => Operator::Gt,
            "Lt" => Operator::Lt,
            _ => Operator::Unknown,
        };
        let values = items(requirement, "values").map(|v| text(Some(v))).collect();
        Self { key: text(requirement.get("key")), operator, values }
    }

    fn matches(&self, value: Option<&str>) -> bool {
        let listed = || value.is_some_and(|v| self.values.iter().any(|known| known == v));
        let ordered = |wanted: std::cmp::Ordering| {
            let (have, bound) = (value.and_then(|v| v.parse::<i64>().ok()), self.values.first().and_then(|v| v.parse().ok()));
            matches!((have, bound), (Some(have), Some(bound)) if have.cmp(&bound) == wanted)
        };
        match self.operator {
            Operator::In => listed(),
            Operator::NotIn => !listed(),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Gt => ordered(std::cmp::Ordering::Greater),
            Operator::Lt => ordered(std::cmp::Ordering::Less),
            Operator::Unknown => false,
        }
    }
}

fn items<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    fn check(spec: Value, allowed: bool) {
        let pod = Object::from_value(json!({ "spec": spec })).unwrap();
        let labels = json!({ "zone": "a", "cores": "8" });
        assert_eq!(NodeSelection::of(&pod).allows("n1", labels.as_object()), allowed, "{pod:?}");
    }

    fn required(terms: Value) -> Value {
        json!({ "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": terms } } } })
    }

    #[test]
    fn selectors_choose_as_upstream() {
        let e = |key: &str, operator: &str, values: &[&str]| json!({ "key": key, "operator": operator, "values": values });
        let term = |r: Value| json!([{ "matchExpressions": [r] }]);
        check(json!({}), true);
        check(json!({ "nodeSelector": { "zone": "a" } }), true);
        check(json!({ "nodeSelector": { "zone": "b" } }), false);
        check(json!({ "nodeSelector": { "zone": "a", "disk": "ssd" } }), false);
        check(required(json!([])), false);
        check(required(json!([{}])), false);
        check(required(term(e("zone", "In", &["b", "a"]))), true);
        check(required(term(e("zone", "NotIn", &["a"]))), false);
        check(required(term(e("disk", "NotIn", &["a"]))), true);
        check(required(term(e("zone", "Exists", &[]))), true);
        check(required(term(e("zone", "DoesNotExist", &[]))), false);
        check(required(term(e("cores", "Gt", &["7"]))), true);
        check(required(term(e("cores", "Gt", &["8"]))), false);
        check(required(term(e("cores", "Lt", &["9"]))), true);
        check(required(term(e("zone", "Gt", &["1"]))), false);
        check(required(json!([{ "matchFields": [e("metadata.name", "In", &["n1"])] }])), true);
        check(required(json!([{ "matchFields": [e("metadata.name", "In", &["n2"])] }])), false);
        check(
            required(json!([{ "matchFields": [e("metadata.name", "In", &["n2"])] }, { "matchExpressions": [e("zone", "Exists", &[])] }])),
            true,
        );
    }
}

//! Which names a definition gets, and what its conditions say
//! (`pkg/controller/{status,establish,nonstructuralschema,apiapproval}`).

use object::{Object, Value};
use registry::custom::definition::{self as crd, Approval, is_true, remove_condition, set_condition};
use registry::custom::{Props, structure};
use std::collections::BTreeSet;

/// Brings the status in line with the spec. `others`: all definitions of the same group. Returns whether anything changed.
pub fn judge(definition: &mut Object, others: &[&Object]) -> bool {
    let mut changed = name(definition, others);
    changed |= establish(definition);
    changed |= structural(definition);
    changed | approved(definition)
}

fn text<'o>(definition: &'o Object, path: &[&str]) -> &'o str {
    definition.str_at(path)
}

fn list(definition: &Object, path: &[&str]) -> Vec<String> {
    let list = definition.at(path).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn name(definition: &mut Object, others: &[&Object]) -> bool {
    if definition.at(&["spec", "names"]) == definition.at(&["status", "acceptedNames"])
        && crd::condition(definition, crd::NAMES_ACCEPTED).is_some()
    {
        return false;
    }
    let mut resources: BTreeSet<String> = BTreeSet::new();
    let mut kinds: BTreeSet<String> = BTreeSet::new();
    for other in others.iter().filter(|o| o.name() != definition.name()) {
        let accepted = |name: &str| text(other, &["status", "acceptedNames", name]).to_owned();
        resources.extend([accepted("plural"), accepted("singular")]);
        resources.extend(list(other, &["status", "acceptedNames", "shortNames"]));
        kinds.extend([accepted("kind"), accepted("listKind")]);
    }
    let in_use = |name: &str| format!("{name:?} is already in use");
    let mut accepted = definition.at(&["status", "acceptedNames"]).and_then(Value::as_object).cloned().unwrap_or_default();
    let mut conflict: Option<(&str, String)> = None;
    for (field, reason, used) in [("plural", "PluralConflict", &resources), ("singular", "SingularConflict", &resources)] {
        take(definition, &mut accepted, field, reason, used, &mut conflict);
    }
    let wanted = list(definition, &["spec", "names", "shortNames"]);
    let have = list(definition, &["status", "acceptedNames", "shortNames"]);
    let taken: Vec<String> = wanted.iter().filter(|n| !have.contains(n) && resources.contains(*n)).map(|n| in_use(n)).collect();
    match taken.as_slice() {
        [] => copy(definition, &mut accepted, "shortNames"),
        [one] => conflict = Some(("ShortNamesConflict", one.clone())),
        many => conflict = Some(("ShortNamesConflict", format!("[{}]", many.join(", ")))),
    }
    for (field, reason) in [("kind", "KindConflict"), ("listKind", "ListKindConflict")] {
        take(definition, &mut accepted, field, reason, &kinds, &mut conflict);
    }
    copy(definition, &mut accepted, "categories");
    // Go's status has these always.
    for field in ["plural", "kind"] {
        accepted.entry(field).or_insert_with(|| Value::from(""));
    }
    let accepted = Value::Object(accepted);
    let mut changed = definition.at(&["status", "acceptedNames"]) != Some(&accepted);
    definition.set_at(&["status", "acceptedNames"], accepted);
    changed |= match conflict {
        Some((reason, message)) => set_condition(definition, crd::NAMES_ACCEPTED, "False", reason, &message),
        None => set_condition(definition, crd::NAMES_ACCEPTED, "True", "NoConflicts", "no conflicts found"),
    };
    changed
}

/// Takes a name unless another definition has it.
fn take(
    definition: &Object,
    accepted: &mut object::Map<String, Value>,
    field: &str,
    reason: &'static str,
    used: &BTreeSet<String>,
    conflict: &mut Option<(&'static str, String)>,
) {
    let wanted = text(definition, &["spec", "names", field]);
    let have = accepted.get(field).and_then(Value::as_str).unwrap_or_default();
    if wanted != have && used.contains(wanted) {
        *conflict = Some((reason, format!("{wanted:?} is already in use")));
    } else {
        copy(definition, accepted, field);
    }
}

fn copy(definition: &Object, accepted: &mut object::Map<String, Value>, field: &str) {
    match definition.at(&["spec", "names", field]) {
        Some(value) => accepted.insert(field.to_owned(), value.clone()),
        None => accepted.remove(field),
    };
}

/// Once established, a definition stays so.
fn establish(definition: &mut Object) -> bool {
    if is_true(definition, crd::ESTABLISHED) {
        return false;
    }
    if is_true(definition, crd::NAMES_ACCEPTED) && !definition.is_deleting() {
        return set_condition(definition, crd::ESTABLISHED, "True", "InitialNamesAccepted", "the initial names have been accepted");
    }
    set_condition(definition, crd::ESTABLISHED, "False", "NotAccepted", "not all names are accepted")
}

fn structural(definition: &mut Object) -> bool {
    let mut violations = Vec::new();
    if definition.at(&["spec", "preserveUnknownFields"]).and_then(Value::as_bool).unwrap_or(false) {
        let at = "spec.preserveUnknownFields: Invalid value: true: must be false";
        violations.push(at.to_owned());
    }
    for (index, version) in crd::versions(definition).enumerate() {
        let Some(schema) = version.pointer("/schema/openAPIV3Schema") else { continue };
        let schema = Props::read(schema);
        let at = format!("spec.versions[{index}].schema.openAPIV3Schema");
        if let Some(error) = structure::unsupported(&schema) {
            violations.push(format!("{at}: Invalid value: \"\": {error}"));
        }
        let found = structure::validate(&schema, &object::field::Path::new(&at));
        violations.extend(found.causes().iter().map(|c| format!("{}: {}", c.field, c.message)));
    }
    match violations.as_slice() {
        [] => remove_condition(definition, crd::NON_STRUCTURAL),
        [one] => set_condition(definition, crd::NON_STRUCTURAL, "True", "Violations", one),
        many => set_condition(definition, crd::NON_STRUCTURAL, "True", "Violations", &format!("[{}]", many.join(", "))),
    }
}

fn approved(definition: &mut Object) -> bool {
    if !crd::is_protected_group(text(definition, &["spec", "group"])) {
        return false;
    }
    let (approval, told) = crd::approval(definition);
    let (status, reason) = match approval {
        Approval::Invalid => ("False", "InvalidAnnotation"),
        Approval::Missing => ("False", "MissingAnnotation"),
        Approval::Approved => ("True", "ApprovedAnnotation"),
        Approval::Bypassed => ("False", "UnapprovedAnnotation"),
    };
    set_condition(definition, crd::API_APPROVED, status, reason, &told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::json;

    fn definition(plural: &str, kind: &str, short: &[&str]) -> Object {
        Object::from_value(json!({
            "metadata": {"name": format!("{plural}.example.com")},
            "spec": {"group": "example.com", "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind, "listKind": format!("{kind}List"), "shortNames": short},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}]},
        }))
        .unwrap()
    }

    fn told(d: &Object, ty: &str) -> String {
        let c = crd::condition(d, ty).unwrap();
        format!("{} {} {}", crd::text(c, "status"), crd::text(c, "reason"), crd::text(c, "message"))
    }

    #[test]
    fn names_are_given_once() {
        let mut first = definition("crontabs", "CronTab", &["ct"]);
        assert!(judge(&mut first, &[]));
        assert_eq!(told(&first, crd::NAMES_ACCEPTED), "True NoConflicts no conflicts found");
        assert_eq!(told(&first, crd::ESTABLISHED), "True InitialNamesAccepted the initial names have been accepted");
        assert_eq!(first.str_at(&["status", "acceptedNames", "listKind"]), "CronTabList");
        let again = first.clone();
        assert!(!judge(&mut first, &[&again]), "nothing left to do");

        let mut second = definition("others", "CronTab", &["ct", "o"]);
        assert!(judge(&mut second, &[&first]));
        assert_eq!(told(&second, crd::NAMES_ACCEPTED), "False ListKindConflict \"CronTabList\" is already in use");
        assert_eq!(told(&second, crd::ESTABLISHED), "False NotAccepted not all names are accepted");
        assert_eq!(second.at(&["status", "acceptedNames"]), Some(&json!({"plural": "others", "kind": ""})));
        // The first goes: its names are free.
        assert!(judge(&mut second, &[]));
        assert_eq!(told(&second, crd::ESTABLISHED), "True InitialNamesAccepted the initial names have been accepted");
    }

    #[test]
    fn schemas_and_groups_are_judged() {
        let mut d = definition("crontabs", "CronTab", &[]);
        d.set_at(&["spec", "versions"], json!([{"name": "v1", "schema": {"openAPIV3Schema": {"properties": {"a": {"type": "string"}}}}}]));
        judge(&mut d, &[]);
        let expect = "True Violations spec.versions[0].schema.openAPIV3Schema.type: Required value: must not be empty at the root";
        assert_eq!(told(&d, crd::NON_STRUCTURAL), expect);
        d.set_at(&["spec", "group"], json!("sample.k8s.io"));
        d.set_at(&["metadata", "annotations"], json!({crd::APPROVED_ANNOTATION: "unapproved, experimental"}));
        judge(&mut d, &[]);
        assert_eq!(told(&d, crd::API_APPROVED), "False UnapprovedAnnotation not approved: \"unapproved, experimental\"");
    }
}

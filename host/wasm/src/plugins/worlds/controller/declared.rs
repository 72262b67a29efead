//! What a component declares is not believed before it is checked.

use crate::plugins::bindings::exports::coracle::plugin::reconcile as wit;
use crate::plugins::platform::is_resource;
use interfaces::reconcile::{Declaration, Mapping, Secondary, Watch};
use object::selector::{FieldSelector, LabelSelector};
use object::{Gvr, names};
use std::time::Duration;

/// As `wit/controller.wit` says; fields beyond that many are the whole object.
const CONTROLLERS: usize = 16;
const SECONDARIES: usize = 32;
const FIELDS: usize = 64;

/// `maps`: the component exports the mapping interface.
///
/// # Errors
/// What makes no sense, in a sentence.
pub fn check(declared: Vec<wit::Declaration>, maps: bool) -> Result<Vec<Declaration>, String> {
    if declared.is_empty() || declared.len() > CONTROLLERS {
        return Err(format!("it declared {} controllers; 1 to {CONTROLLERS} are allowed", declared.len()));
    }
    let mut checked: Vec<Declaration> = Vec::with_capacity(declared.len());
    for declaration in declared {
        let name = declaration.name.clone();
        if let Some(cause) = object::names::dns1123_label(&name).into_iter().next() {
            return Err(format!("it declared a controller called {:?}: {cause}", quoted(&name)));
        }
        if checked.iter().any(|other| other.name == name) {
            return Err(format!("it declared two controllers called {name:?}"));
        }
        checked.push(one(declaration, maps).map_err(|cause| format!("controller {name}: {cause}"))?);
    }
    Ok(checked)
}

fn one(declared: wit::Declaration, maps: bool) -> Result<Declaration, String> {
    let wit::Declaration { name, primary, secondaries, finalizer, resync_seconds } = declared;
    if secondaries.len() > SECONDARIES {
        return Err(format!("{} secondaries; at most {SECONDARIES} are allowed", secondaries.len()));
    }
    if let Some(finalizer) = &finalizer
        && !(finalizer.contains('/') && names::qualified_name(finalizer).is_empty())
    {
        return Err(format!("finalizer {:?} is not domain/name", quoted(finalizer)));
    }
    let key = |key: String, of: &str| match names::qualified_name(&key).is_empty() {
        true => Ok(key),
        false => Err(format!("{:?} is no key of {of}", quoted(&key))),
    };
    let secondaries = secondaries.into_iter().map(|secondary| {
        let mapping = match secondary.mapping {
            wit::Mapping::Owner => Mapping::Owner,
            wit::Mapping::AnyOwner => Mapping::AnyOwner,
            wit::Mapping::Label(label) => Mapping::Label(key(label, "a label")?),
            wit::Mapping::Annotation(annotation) => Mapping::Annotation(key(annotation, "an annotation")?),
            wit::Mapping::Every => Mapping::Every,
            wit::Mapping::Exported if maps => Mapping::Exported,
            wit::Mapping::Exported => return Err("a mapping is exported, but coracle:plugin/reconcile-mapping is not".to_owned()),
        };
        Ok(Secondary { watch: watch(secondary.watch)?, mapping })
    });
    Ok(Declaration {
        name,
        primary: watch(primary)?,
        secondaries: secondaries.collect::<Result<_, _>>()?,
        finalizer,
        resync: Duration::from_secs(resync_seconds.into()),
    })
}

fn watch(declared: wit::Watch) -> Result<Watch, String> {
    let wit::Watch { gvr, namespace, label_selector, field_selector, fields } = declared;
    let gvr = Gvr::new(gvr.group, gvr.version, gvr.plural);
    if gvr.version.is_empty() || gvr.resource.is_empty() {
        return Err("a watch names no resource".to_owned());
    }
    if !is_resource(&gvr) {
        let (group, version, plural) = (quoted(&gvr.group), quoted(&gvr.version), quoted(&gvr.resource));
        return Err(format!("{plural:?} in {version:?} of {group:?} is no name of a resource"));
    }
    if !namespace.is_empty() && !names::dns1123_label(&namespace).is_empty() {
        return Err(format!("{:?} is no namespace", quoted(&namespace)));
    }
    let wrong = |what: &str, cause: String| format!("{what} of {}: {cause}", gvr.resource);
    LabelSelector::parse(&label_selector).map_err(|cause| wrong("label selector", cause))?;
    FieldSelector::parse(&field_selector).map_err(|cause| wrong("field selector", cause))?;
    if fields.len() > FIELDS {
        return Err(wrong("fields", format!("{} are more than {FIELDS}", fields.len())));
    }
    if let Some(field) = fields.iter().find(|field| field.split('.').any(str::is_empty)) {
        return Err(wrong("field", format!("{:?} is no path", quoted(field))));
    }
    Ok(Watch { gvr, namespace, label_selector, field_selector, fields })
}

/// Of something foreign, as much as a message needs.
fn quoted(text: &str) -> &str {
    text.get(..text.floor_char_boundary(64)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pods() -> wit::Watch {
        let gvr = wit::Gvr { group: String::new(), version: "v1".into(), plural: "pods".into() };
        wit::Watch {
            gvr,
            namespace: String::new(),
            label_selector: "a in (b)".into(),
            field_selector: String::new(),
            fields: vec!["spec".into()],
        }
    }

    fn declaration() -> wit::Declaration {
        wit::Declaration { name: "a".into(), primary: pods(), secondaries: vec![], finalizer: None, resync_seconds: 5 }
    }

    fn refused(change: impl FnOnce(&mut wit::Declaration), expect: &str) {
        let mut changed = declaration();
        change(&mut changed);
        let error = check(vec![changed], false).unwrap_err();
        assert!(error.contains(expect), "{error}");
    }

    #[test]
    fn declarations_are_checked() {
        let good = check(vec![declaration()], false).unwrap();
        assert_eq!((good[0].resync.as_secs(), good[0].primary.gvr.resource.as_str()), (5, "pods"));
        assert!(check(vec![], false).unwrap_err().contains("0 controllers"));
        assert!(check(vec![declaration(), declaration()], false).unwrap_err().contains("two controllers called \"a\""));
        refused(|d| d.name = "Not A Name".into(), "called \"Not A Name\"");
        refused(|d| d.finalizer = Some("cleanup".into()), "\"cleanup\" is not domain/name");
        refused(|d| d.primary.label_selector = "a in".into(), "controller a: label selector of pods");
        refused(|d| d.primary.fields = vec!["spec..x".into()], "\"spec..x\" is no path");
        refused(|d| d.primary.gvr.plural = String::new(), "names no resource");
        let exported = wit::Secondary { watch: pods(), mapping: wit::Mapping::Exported };
        refused(|d| d.secondaries = vec![exported.clone()], "reconcile-mapping is not");
        let mut mapped = declaration();
        mapped.secondaries = vec![exported];
        assert_eq!(check(vec![mapped], true).unwrap()[0].secondaries[0].mapping, Mapping::Exported);
    }
}

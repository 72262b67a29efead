//! World `admission`: `request` with `operation`, `object`, `oldObject`, `user`; first changed, then judged, as the API server does.

use super::super::bed::Bed;
use super::super::cases::Case;
use anyhow::{Context, Result, bail};
use interfaces::admit::{AdmissionRequest, AdmissionRow, Admitted, Change, Denial, Document, Operation, Refusal};
use interfaces::authorize::UserInfo;
use object::{Object, Value, json};
use serde::Deserialize;
use serde_json::Map;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Asked {
    /// Default: what the objects say.
    operation: Option<String>,
    object: Option<Value>,
    old_object: Option<Value>,
    #[serde(default)]
    subresource: String,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    user: User,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct User {
    name: String,
    groups: Vec<String>,
}

/// Asks `mutate`, then `validate` about what it made.
pub async fn ask(bed: &Bed, row: &AdmissionRow, case: &Case) -> Result<Map<String, Value>> {
    let asked = case.given.get("request").cloned().with_context(|| format!("{}: it has no `request`", case.name))?;
    let asked: Asked = serde_json::from_value(asked).with_context(|| format!("{}: `request`", case.name))?;
    let mut request = request(bed, &asked, &case.name)?;
    let mut answer = Map::new();
    let mut admitted = Admitted::default();
    if row.mutates {
        match row.plugin.mutate(&request).await {
            Ok(given) => {
                if let Some(change) = &given.change {
                    let changed = changed(request.object.as_deref(), change).with_context(|| format!("{}: the change", case.name))?;
                    answer.insert("object".to_owned(), changed.clone().into_value());
                    request.object = Some(Arc::new(Document::new(changed)));
                }
                admitted = given;
            }
            Err(refusal) => return Ok(refused(answer, refusal)),
        }
    }
    if row.validates {
        match row.plugin.validate(&request).await {
            Ok(given) => {
                admitted.warnings.extend(given.warnings);
                admitted.audit_annotations.extend(given.audit_annotations);
            }
            Err(refusal) => return Ok(refused(answer, refusal)),
        }
    }
    answer.insert("allowed".to_owned(), json!(true));
    notes(&mut answer, &admitted.warnings, &admitted.audit_annotations);
    Ok(answer)
}

fn request(bed: &Bed, asked: &Asked, name: &str) -> Result<AdmissionRequest> {
    let object = |value: &Option<Value>| value.clone().and_then(Object::from_value);
    let (new, old) = (object(&asked.object), object(&asked.old_object));
    let operation = match (asked.operation.as_deref(), &new, &old) {
        (Some("CREATE"), ..) | (None, Some(_), None) => Operation::Create,
        (Some("UPDATE"), ..) | (None, Some(_), Some(_)) => Operation::Update,
        (Some("DELETE"), ..) | (None, None, _) => Operation::Delete,
        (Some("CONNECT"), ..) => Operation::Connect,
        (Some(other), ..) => bail!("{name}: operation {other:?} is none of CREATE, UPDATE, DELETE, CONNECT"),
    };
    let about = new.as_ref().or(old.as_ref()).with_context(|| format!("{name}: `request` has neither object nor oldObject"))?;
    let kind = about.gvk();
    let row = bed.client().registry().kind_of(&kind);
    let resource = row.with_context(|| format!("{name}: there is no kind {} in {}", kind.kind, kind.api_version()))?.gvr();
    let user = match asked.user.name.as_str() {
        "" => UserInfo::component("kubernetes-admin", &["system:masters", "system:authenticated"]),
        user => UserInfo { name: user.to_owned(), groups: asked.user.groups.clone(), ..UserInfo::default() },
    };
    let document = |object: Option<Object>| object.map(|object| Arc::new(Document::new(object)));
    Ok(AdmissionRequest {
        uid: "request".to_owned(),
        name: about.name().to_owned(),
        namespace: about.namespace().to_owned(),
        kind: kind.clone(),
        resource: resource.clone(),
        subresource: asked.subresource.clone(),
        request_kind: kind,
        request_resource: resource,
        request_subresource: asked.subresource.clone(),
        operation,
        user: Arc::new(user),
        object: document(new.filter(|_| operation != Operation::Delete)),
        old_object: document(old),
        dry_run: asked.dry_run,
        options: Arc::new(Value::Null),
    })
}

fn changed(object: Option<&Document>, change: &Change) -> Result<Object> {
    let mut value = object.map(|document| document.object().clone().into_value()).unwrap_or_default();
    match change {
        Change::Whole(whole) => return Ok(whole.clone()),
        Change::Patch(patch) => object::patch::json::apply(&mut value, patch)?,
    }
    Object::from_value(value).context("it leaves no object")
}

fn refused(mut answer: Map<String, Value>, refusal: Refusal) -> Map<String, Value> {
    match refusal {
        Refusal::Failed(error) => drop(answer.insert("error".to_owned(), json!(error.to_string()))),
        Refusal::Denied(Denial { code, reason, message, causes, warnings, audit_annotations }) => {
            answer.insert("allowed".to_owned(), json!(false));
            answer.insert("message".to_owned(), json!(message));
            if code != 0 {
                answer.insert("code".to_owned(), json!(code));
            }
            if !reason.is_empty() {
                answer.insert("reason".to_owned(), json!(reason));
            }
            if !causes.is_empty() {
                answer.insert("causes".to_owned(), json!(causes));
            }
            notes(&mut answer, &warnings, &audit_annotations);
        }
    }
    answer
}

fn notes(answer: &mut Map<String, Value>, warnings: &[String], annotations: &std::collections::BTreeMap<String, String>) {
    if !warnings.is_empty() {
        answer.insert("warnings".to_owned(), json!(warnings));
    }
    if !annotations.is_empty() {
        answer.insert("auditAnnotations".to_owned(), json!(annotations));
    }
}

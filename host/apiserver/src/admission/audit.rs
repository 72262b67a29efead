//! The background audit: asks plugins with `backgroundAudit` about objects that exist already, and writes what they say as policy
//! reports (`wgpolicyk8s.io/v1alpha2`, the format of the Kubernetes policy working group), one for each object.
//!
//! It is a client of the API with its own identity. A pass is made when a policy changes, and once in an interval. Objects are told as
//! if they were created just now, as a dry run, by the audit's user. Reports are written only when they say something else, and end with
//! their object, whose dependents they are.

mod definitions;
mod report;

use super::hooks::{AUDIT_USER, Hook, Phase, Snapshot, ask, converted, is_exempt};
use super::matching::Attributes;
use crate::bootstrap::send_as;
use crate::crd;
use crate::server::ApiService;
use futures::future::select_all;
use http::Method;
use interfaces::admit::{AdmissionRequest, Document, Operation};
use interfaces::authorize::UserInfo;
use object::{Gvr, Object, Value, json};
use registry::{Kind, Verb};
use report::{Entry, Report};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Objects read at once: bounds the memory of a pass.
const PAGE: usize = 250;
/// After a pass that failed.
const RETRY: Duration = Duration::from_secs(10);

/// A request of the audit was not answered as it must be.
#[derive(Debug, thiserror::Error)]
#[error("{method} {path}: {code} {message}")]
pub struct Failed {
    method: Method,
    path: String,
    code: u16,
    message: String,
}

/// What a pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// Objects with at least one result.
    pub audited: usize,
    pub written: usize,
    pub deleted: usize,
}

/// Which policies there are: a pass is due when it changes.
type Policies = Vec<(String, i64, Vec<usize>)>;

/// Audits until the server ends.
pub async fn keep(service: ApiService) {
    let interval = service.shared().config.audit_interval;
    let audit = Audit::new(service);
    let shared = audit.service.shared().clone();
    while shared.caches.wait_for(0).await.is_err() {}
    crd::settle(&shared).await;
    let Some((caches, mut loaded)) = shared.hooks.changes(&shared) else { return };
    let mut caches = caches;
    let (mut known, mut last): (Option<Policies>, Instant) = (None, Instant::now());
    loop {
        for changed in &mut caches {
            changed.borrow_and_update();
        }
        if let Some(loaded) = &mut loaded {
            loaded.borrow_and_update();
        }
        let policies = audit.policies();
        let mut wait = interval.saturating_sub(last.elapsed());
        let nothing = policies.is_empty() && (known.as_ref().is_some_and(Vec::is_empty) || !audit.has_reports());
        if nothing {
            known = Some(policies);
        } else if known.as_ref() != Some(&policies) || wait.is_zero() {
            wait = match audit.pass().await {
                Ok(pass) => {
                    tracing::debug!(?pass, "audited");
                    (known, last) = (Some(policies), Instant::now());
                    interval
                }
                Err(error) => {
                    tracing::warn!(%error, "the audit of existing objects");
                    RETRY
                }
            };
        }
        // Without policies nothing is due by time.
        let sleeps = !nothing;
        let mut any: Vec<Pin<Box<dyn Future<Output = bool> + Send + '_>>> = Vec::new();
        for changed in &mut caches {
            any.push(Box::pin(async move { changed.changed().await.is_ok() }));
        }
        if let Some(loaded) = &mut loaded {
            any.push(Box::pin(async move { loaded.changed().await.is_ok() }));
        }
        tokio::select! {
            (goes_on, ..) = select_all(any) => if !goes_on { return },
            () = tokio::time::sleep(wait), if sleeps => {}
        }
    }
}

pub struct Audit {
    service: ApiService,
    user: Arc<UserInfo>,
}

impl Audit {
    pub fn new(service: ApiService) -> Self {
        Self { service, user: Arc::new(UserInfo::component(AUDIT_USER, &[])) }
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.service.shared().hooks.now(self.service.shared())
    }

    fn policies(&self) -> Policies {
        let address = |row: &interfaces::admit::AdmissionRow| Arc::as_ptr(&row.plugin).cast::<()>() as usize;
        let policy = |hook: &Hook| (hook.spec.uid.clone(), hook.spec.generation, hook.rows.iter().flatten().map(address).collect());
        self.snapshot().hooks.iter().filter(|hook| is_audited(hook)).map(policy).collect()
    }

    fn has_reports(&self) -> bool {
        self.service.shared().registry.resource_by_name(report::GROUP, report::VERSION, "policyreports").is_some()
    }

    /// Looks at all objects once.
    ///
    /// # Errors
    /// What could not be read or written; the reports until then are written.
    pub async fn pass(&self) -> Result<Pass, Failed> {
        let shared = self.service.shared();
        let snapshot = self.snapshot();
        let mut pass = Pass::default();
        if snapshot.hooks.iter().any(is_audited) {
            self.define().await?;
        } else if !self.has_reports() {
            return Ok(pass);
        }
        let mut known = self.known().await?;
        for row in shared.registry.objects() {
            let own = row.group == report::GROUP;
            if own || is_exempt(&row) || !row.verbs.contains(&Verb::List) {
                continue;
            }
            let candidates = snapshot.candidates(shared, &row, Operation::Create);
            let hooks: Vec<&Hook> = candidates.iter().filter_map(|at| snapshot.hooks.get(*at)).filter(|h| is_audited(h)).collect();
            if !hooks.is_empty() {
                self.audit(&row, &hooks, &mut known, &mut pass).await?;
            }
        }
        for path in known.into_keys() {
            self.send(Method::DELETE, &path, &Value::Null, &[404]).await?;
            pass.deleted += 1;
        }
        Ok(pass)
    }

    /// All objects of a row, page by page.
    async fn audit(&self, row: &Arc<Kind>, hooks: &[&Hook], known: &mut HashMap<String, u64>, pass: &mut Pass) -> Result<(), Failed> {
        let root = if row.group.is_empty() { format!("/api/{}", row.version) } else { format!("/apis/{}", row.api_version()) };
        let mut next = String::new();
        loop {
            let path = format!("{root}/{}?limit={PAGE}&continue={next}", row.resource);
            let mut list = self.send(Method::GET, &path, &Value::Null, &[]).await?;
            let items = list.get_mut("items").map(Value::take).unwrap_or_default();
            for item in items.as_array().into_iter().flatten() {
                let Some(mut object) = Object::from_value(item.clone()).filter(|o| !o.is_deleting()) else { continue };
                object.set_at(&["apiVersion"], row.api_version().into());
                object.set_at(&["kind"], row.kind.clone().into());
                let mut entries = Vec::new();
                for hook in hooks {
                    entries.extend(self.ask(row, hook, &object).await);
                }
                if entries.is_empty() {
                    continue;
                }
                pass.audited += 1;
                let report = Report::new(&object, entries);
                let before = known.remove(&report.path());
                if before == Some(report.fingerprint()) {
                    continue;
                }
                pass.written += 1;
                let (method, path) = if before.is_some() { (Method::PATCH, report.path()) } else { (Method::POST, report.collection()) };
                // The object may have gone with its namespace meanwhile.
                self.send(method, &path, &report.value(), &[404, 403, 409]).await?;
            }
            next = list.pointer("/metadata/continue").and_then(Value::as_str).unwrap_or_default().to_owned();
            if next.is_empty() {
                return Ok(());
            }
        }
    }

    /// What one policy says of one object; nothing when it is not about it.
    async fn ask(&self, row: &Arc<Kind>, hook: &Hook, object: &Object) -> Option<Entry> {
        let shared = self.service.shared();
        let options = json!({ "apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions", "dryRun": ["All"] });
        let namespace = if row.group.is_empty() && row.resource == "namespaces" { object.name() } else { object.namespace() };
        let attributes = Attributes {
            shared,
            user: &self.user,
            row,
            subresource: "",
            body: None,
            operation: Operation::Create,
            namespace,
            name: object.name(),
            dry_run: true,
            options: Arc::new(options),
        };
        let matching = hook.spec.matching.as_ref().ok()?;
        let told = matching.selects(&attributes, Some(object), None).ok()??;
        let object = match converted(shared, row, &told, object.clone()).await {
            Ok(object) => object,
            Err(error) => return Some(Entry::error(&hook.spec, error.message)),
        };
        match matching.fulfils(&attributes, &told, Some(&object), None, hook.spec.on_error).await {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => return Some(Entry::error(&hook.spec, error.message)),
        }
        if hook.spec.side_effects {
            return Some(Entry::skipped(&hook.spec));
        }
        let request = AdmissionRequest {
            uid: uuid::Uuid::new_v4().to_string(),
            kind: told.gvk(),
            resource: Gvr::new(told.group.clone(), told.version.clone(), told.resource.clone()),
            subresource: String::new(),
            request_kind: row.gvk(),
            request_resource: row.gvr(),
            request_subresource: String::new(),
            name: object.name().to_owned(),
            namespace: namespace.to_owned(),
            operation: Operation::Create,
            user: self.user.clone(),
            object: Some(Arc::new(Document::new(object))),
            old_object: None,
            dry_run: true,
            options: attributes.options.clone(),
        };
        Some(Entry::of(&hook.spec, ask(hook, Phase::Validate, &request).await))
    }

    /// Makes the kinds of reports, unless somebody has installed them already.
    async fn define(&self) -> Result<(), Failed> {
        for definition in definitions::all() {
            let name = definition.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            let path = format!("/apis/{}/v1/{}", crd::GROUP, crd::RESOURCE);
            let found = self.send(Method::GET, &format!("{path}/{name}"), &Value::Null, &[404]).await?;
            if found.get("spec").is_none() {
                self.send(Method::POST, &path, &definition, &[409]).await?;
            }
        }
        Ok(())
    }

    /// Reports of earlier passes: their paths, and what they say.
    async fn known(&self) -> Result<HashMap<String, u64>, Failed> {
        let mut known = HashMap::new();
        for resource in ["policyreports", "clusterpolicyreports"] {
            let mut next = String::new();
            loop {
                let selector = format!("labelSelector={}%3D{}", report::MANAGED_BY.replace('/', "%2F"), report::MANAGER);
                let path = format!("/apis/{}/{}/{resource}?{selector}&limit={PAGE}&continue={next}", report::GROUP, report::VERSION);
                let list = self.send(Method::GET, &path, &Value::Null, &[404]).await?;
                for item in list.get("items").and_then(Value::as_array).into_iter().flatten() {
                    let text = |pointer: &str| item.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
                    known.insert(report::path(text("/metadata/namespace"), text("/metadata/name")), report::fingerprint(item));
                }
                next = list.pointer("/metadata/continue").and_then(Value::as_str).unwrap_or_default().to_owned();
                if next.is_empty() {
                    break;
                }
            }
        }
        Ok(known)
    }

    /// `fine`: codes beside success that end nothing.
    async fn send(&self, method: Method, path: &str, body: &Value, fine: &[u16]) -> Result<Value, Failed> {
        let (code, answer) = send_as(&self.service, &self.user, method.clone(), path, body).await;
        if (200..300).contains(&code) || fine.contains(&code) {
            return Ok(answer);
        }
        let message = answer.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
        Err(Failed { method, path: path.to_owned(), code, message })
    }
}

/// Only what judges, and is there to be asked. While a policy is not loaded its last results stay out of the reports.
fn is_audited(hook: &Hook) -> bool {
    hook.spec.background_audit && hook.rows.iter().all(Option::is_some) && hook.validates()
}

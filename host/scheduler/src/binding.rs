//! From a chosen node to a bound pod: reserve and permit within the cycle; waiting, pre-bind, bind and post-bind in a task of
//! the pod's own: `schedulingCycle` and `bindingCycle` of `pkg/scheduler/schedule_one.go`.

use crate::pod::PodInfo;
use crate::profile::Profile;
use crate::waiting::{Ticket, Verdict, WaitingList};
use async_trait::async_trait;
use interfaces::schedule::{Bind, FailurePolicy, Permit, PluginError, Rejection};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Why a pod is not bound.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotBound {
    /// A plugin refused it: it waits for something that this plugin cares about.
    Refused { plugin: String, reason: String },
    /// Something failed: it is tried again.
    Failed(String),
}

/// Who writes bindings.
#[async_trait]
pub(crate) trait Binds: Send + Sync {
    /// The pod gets the node, and these annotations beside its own. An error is told in a sentence.
    async fn bind(&self, pod: &PodInfo, node: &str, annotations: &[(String, String)]) -> Result<(), String>;

    /// Says so in the pod's events.
    fn bound(&self, pod: &PodInfo, node: &str);
}

/// A pod on its way to its node.
pub(crate) struct Binding {
    pub(crate) pod: Arc<PodInfo>,
    pub(crate) node: String,
    pub(crate) profile: Arc<Profile>,
    pub(crate) writer: Arc<dyn Binds>,
    pub(crate) waiting: Arc<WaitingList>,
}

/// What a plugin's failure means: nothing, when its policy says so.
fn judge<T: Default>(profile: &Profile, row: usize, point: &str, asked: Result<T, PluginError>) -> Result<T, NotBound> {
    let policy = profile.rows().get(row).map(|row| row.failure_policy).unwrap_or_default();
    match asked {
        Ok(answer) => Ok(answer),
        Err(error) if policy == FailurePolicy::Ignore => {
            tracing::debug!(%error, "plugin failure ignored");
            Ok(T::default())
        }
        Err(error) => Err(NotBound::Failed(format!("running {point} plugin: {error}"))),
    }
}

fn refused(plugin: &str, rejection: Rejection) -> NotBound {
    NotBound::Refused { plugin: plugin.to_owned(), reason: rejection.reason }
}

impl Binding {
    /// Reserve and permit. The ticket of a pod that has to wait.
    ///
    /// # Errors
    /// The pod cannot have the node. What was reserved has been given back.
    pub(crate) async fn prepare(&self) -> Result<Option<Ticket>, NotBound> {
        let prepared = match self.reserve().await {
            Ok(()) => self.permit().await,
            Err(why) => Err(why),
        };
        if prepared.is_err() {
            self.unreserve().await;
        }
        prepared
    }

    async fn reserve(&self) -> Result<(), NotBound> {
        for (row, plugin) in self.profile.reserves() {
            let asked = plugin.reserve(self.pod.view(), &self.node).await;
            if let Some(rejection) = judge(&self.profile, row, "Reserve", asked)? {
                return Err(refused(plugin.name(), rejection));
            }
        }
        Ok(())
    }

    async fn permit(&self) -> Result<Option<Ticket>, NotBound> {
        let mut pending = Vec::new();
        for (row, plugin) in self.profile.permits() {
            let asked = plugin.permit(self.pod.view(), &self.node).await.map(Some);
            match judge(&self.profile, row, "Permit", asked)? {
                None | Some(Permit::Allow) => {}
                Some(Permit::Deny(reason)) => return Err(NotBound::Refused { plugin: plugin.name().to_owned(), reason }),
                Some(Permit::Wait(limit)) => pending.push((plugin.name().to_owned(), limit)),
            }
        }
        if pending.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.waiting.enter(self.pod.clone(), self.node.clone(), pending)))
    }

    /// In reverse order, whatever happens.
    async fn unreserve(&self) {
        for (_, plugin) in self.profile.reserves().rev() {
            if let Err(error) = plugin.unreserve(self.pod.view(), &self.node).await {
                tracing::warn!(%error, pod = self.pod.name, "what was reserved could not be given back");
            }
        }
    }

    /// Binds the pod when it may be, with one of `permits`.
    ///
    /// # Errors
    /// It is not bound; what was reserved has been given back.
    pub(crate) async fn run(&self, ticket: Option<Ticket>, permits: Arc<Semaphore>) -> Result<(), NotBound> {
        let bound = self.bind_when_allowed(ticket, permits).await;
        if bound.is_err() {
            self.unreserve().await;
        }
        bound
    }

    async fn bind_when_allowed(&self, ticket: Option<Ticket>, permits: Arc<Semaphore>) -> Result<(), NotBound> {
        if let Some(ticket) = ticket
            && let Verdict::Rejected { plugin, reason } = self.waiting.verdict(ticket).await
        {
            return Err(if plugin.is_empty() { NotBound::Failed(reason) } else { NotBound::Refused { plugin, reason } });
        }
        // The semaphore is never closed.
        let _permit = permits.acquire_owned().await;
        for (row, plugin) in self.profile.pre_binds() {
            let asked = plugin.pre_bind(self.pod.view(), &self.node).await;
            if let Some(rejection) = judge(&self.profile, row, "PreBind", asked)? {
                return Err(refused(plugin.name(), rejection));
            }
        }
        self.bind().await?;
        tracing::debug!(pod = self.pod.name, node = self.node, "bound");
        self.writer.bound(&self.pod, &self.node);
        for (_, plugin) in self.profile.post_binds() {
            if let Err(error) = plugin.post_bind(self.pod.view(), &self.node).await {
                tracing::warn!(%error, pod = self.pod.name, "after it was bound");
            }
        }
        Ok(())
    }

    /// The first plugin that does not skip.
    async fn bind(&self) -> Result<(), NotBound> {
        for (row, plugin) in self.profile.binders() {
            let answer = match &plugin.outside {
                Some(outside) => {
                    let asked = outside.bind(self.pod.view(), &self.node).await.map(Some);
                    judge(&self.profile, row, "Bind", asked)?.unwrap_or(Bind::Skip)
                }
                None => Bind::Write(Vec::new()),
            };
            match answer {
                Bind::Skip => {}
                Bind::Done => return Ok(()),
                Bind::Write(annotations) => {
                    let written = self.writer.bind(&self.pod, &self.node, &annotations).await;
                    return written.map_err(|error| NotBound::Failed(format!("binding rejected: {error}")));
                }
            }
        }
        Err(NotBound::Failed("binding rejected: all bind plugins skipped the pod".to_owned()))
    }
}

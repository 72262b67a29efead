//! [`Plugin`]: every extension point as a call into the guest.

use super::answers;
use super::exports::{Found, Guest};
use crate::plugins::bindings::coracle::plugin::schedule_types;
use crate::plugins::bindings::exports::coracle::plugin::{pre_filter_extensions, requeue};
use crate::plugins::pool::{Failure, Live, Pool, Returned};
use crate::plugins::worlds::mirror;
use async_trait::async_trait;
use interfaces::schedule::{
    Bind, Events, Happened, NodeTable, Permit, PluginError, PodView, PodsChange, PodsOn, PostFilter, PreFilter, PreScore, Refusal, Refused,
    Rejection, SchedulePlugin, SortKey, WaitingPods,
};
use parking_lot::RwLock;
use std::sync::Arc;

type Instances = Arc<Pool<Arc<Found>>>;

pub struct Plugin {
    /// One instance: a cycle is one at a time, and so is what concerns the queue.
    cycle: Instances,
    bindings: Option<Instances>,
    /// Its scores are any numbers.
    raw: bool,
    /// Its scores are brought to 0 to 100 afterwards.
    normalizes: bool,
    pub(super) events: Events,
    waiting: RwLock<Option<Arc<dyn WaitingPods>>>,
}

/// What a call is about, beside its arguments.
#[derive(Clone, Default)]
struct About<'a> {
    pod: Option<&'a PodView>,
    table: Option<&'a NodeTable>,
    waiting: Option<Arc<dyn WaitingPods>>,
    running: Option<Arc<dyn PodsOn>>,
}

/// Calls an export: `ask!(pool, about, |guest, store| interface.call_function(...))`.
macro_rules! ask {
    ($pool:expr, $about:expr, $interface:ident, |$exports:ident, $store:ident| $call:expr) => {{
        let about = $about;
        $pool
            .call(move |mut live| {
                Box::pin(async move {
                    let answer = async {
                        begin(&mut live, &about).await?;
                        let Live { store: $store, guest, .. } = &mut *live;
                        let Some($exports) = &guest.$interface else {
                            return Err(Failure::Guest(concat!("it is not loaded for ", stringify!($interface)).to_owned()));
                        };
                        $call.await.map_err(Failure::from)
                    }
                    .await;
                    if let Some(plugin) = &mut live.store.data_mut().plugin {
                        plugin.about(None);
                        plugin.seen = Default::default();
                    }
                    (live, answer) as Returned<Guest, _>
                })
            })
            .await
    }};
}

/// What the guest must know before it is asked.
async fn begin(live: &mut Live<Guest>, about: &About<'_>) -> Result<(), Failure> {
    let Live { store, guest, .. } = live;
    if let (Some(table), Some(node_table)) = (about.table, &guest.node_table)
        && let Some(delta) = guest.mirror.delta(table)
    {
        match node_table.call_sync(&mut *store, &delta).await? {
            Ok(()) => guest.mirror.told(table),
            Err(cause) => {
                guest.mirror.forget();
                return Err(Failure::Guest(cause));
            }
        }
    }
    if let Some(plugin) = &mut store.data_mut().plugin {
        plugin.about(about.pod.map(|pod| pod.object.clone()));
        plugin.seen.waiting.clone_from(&about.waiting);
        plugin.seen.running.clone_from(&about.running);
    }
    Ok(())
}

/// A plugin's own word of failure.
fn own<T>(answer: Result<T, String>) -> Result<T, Failure> {
    answer.map_err(Failure::Guest)
}

impl Plugin {
    pub(super) fn new(cycle: Instances, bindings: Option<Instances>, raw: bool, normalizes: bool) -> Self {
        Self { cycle, bindings, raw, normalizes, events: Events::ALL, waiting: RwLock::default() }
    }

    pub(super) fn pools(&self) -> impl Iterator<Item = &Instances> {
        [&self.cycle].into_iter().chain(&self.bindings)
    }

    /// What the guest cares about.
    ///
    /// # Errors
    /// It failed.
    pub(super) async fn ask_events(&self) -> Result<Events, PluginError> {
        let kinds = ask!(self.cycle, About::default(), requeue, |guest, store| guest.call_cares_about(&mut *store))?;
        Ok(answers::events(kinds))
    }

    fn queue(&self) -> About<'static> {
        About { waiting: self.waiting.read().clone(), ..About::default() }
    }

    fn about<'a>(&self, pod: &'a PodView) -> About<'a> {
        About { pod: Some(pod), ..self.queue() }
    }

    fn seeing<'a>(&self, pod: &'a PodView, table: &'a NodeTable) -> About<'a> {
        About { table: Some(table), ..self.about(pod) }
    }

    fn of_bindings(&self) -> &Instances {
        self.bindings.as_ref().unwrap_or(&self.cycle)
    }

    /// What the guest says is not believed.
    fn checked<T>(&self, checked: Result<T, String>) -> Result<T, PluginError> {
        checked.map_err(|cause| self.cycle.refuse(cause))
    }
}

fn pods(views: &[&PodView]) -> Vec<schedule_types::Pod> {
    views.iter().map(|view| mirror::pod(view)).collect()
}

fn change(change: &PodsChange<'_>) -> pre_filter_extensions::Change {
    pre_filter_extensions::Change { node: change.node, pods: pods(change.pods), usage: mirror::usage(change.then) }
}

#[async_trait]
impl SchedulePlugin for Plugin {
    fn name(&self) -> &str {
        self.cycle.name()
    }

    fn attach(&self, waiting: Arc<dyn WaitingPods>) {
        *self.waiting.write() = Some(waiting);
    }

    async fn pre_enqueue(&self, views: &[&PodView]) -> Result<Vec<Option<String>>, PluginError> {
        let pods = pods(views);
        let told =
            ask!(self.cycle, self.queue(), pre_enqueue, |guest, store| async { own(guest.call_pre_enqueue(&mut *store, &pods).await?) })?;
        self.checked(answers::gates(told, views.len()))
    }

    async fn sort_keys(&self, views: &[&PodView]) -> Result<Vec<SortKey>, PluginError> {
        let pods = pods(views);
        let told = ask!(self.cycle, self.queue(), queue_sort, |guest, store| async { own(guest.call_keys(&mut *store, &pods).await?) })?;
        self.checked(answers::keys(told, views.len()))
    }

    fn events(&self) -> Events {
        self.events
    }

    async fn hint(&self, happened: &Happened<'_>, views: &[&PodView]) -> Result<Vec<bool>, PluginError> {
        let pods = pods(views);
        let happened = requeue::Happened {
            kinds: answers::kinds(happened.kinds),
            node: happened.node.as_ref().map(|node| mirror::row(u32::MAX, node)),
            pod: happened.pod.map(mirror::pod),
        };
        let told =
            ask!(self.cycle, self.queue(), requeue, |guest, store| async { own(guest.call_hint(&mut *store, &happened, &pods).await?) })?;
        self.checked(answers::one_each(told, views.len()))
    }

    async fn pre_filter(&self, pod: &PodView, nodes: &NodeTable) -> Result<PreFilter, PluginError> {
        let view = mirror::pod(pod);
        let told = ask!(self.cycle, self.seeing(pod, nodes), pre_filter, |guest, store| async {
            own(guest.call_pre_filter(&mut *store, &view).await?)
        })?;
        self.checked(answers::pre_filter(told, nodes.nodes.len()))
    }

    async fn add_pods(&self, pod: &PodView, by: &PodsChange<'_>) -> Result<(), PluginError> {
        let (view, change) = (mirror::pod(pod), change(by));
        ask!(self.cycle, self.about(pod), pre_filter_extensions, |guest, store| async {
            own(guest.call_add_pods(&mut *store, &view, &change).await?)
        })
    }

    async fn remove_pods(&self, pod: &PodView, by: &PodsChange<'_>) -> Result<(), PluginError> {
        let (view, change) = (mirror::pod(pod), change(by));
        ask!(self.cycle, self.about(pod), pre_filter_extensions, |guest, store| async {
            own(guest.call_remove_pods(&mut *store, &view, &change).await?)
        })
    }

    async fn filter(&self, pod: &PodView, nodes: &NodeTable, candidates: &[u32]) -> Result<Vec<Refusal>, PluginError> {
        let view = mirror::pod(pod);
        let told = ask!(self.cycle, self.seeing(pod, nodes), filter, |guest, store| async {
            own(guest.call_filter(&mut *store, &view, candidates).await?)
        })?;
        self.checked(answers::verdicts(told, candidates))
    }

    async fn post_filter(
        &self,
        pod: &PodView,
        nodes: &NodeTable,
        refused: &[Refused<'_>],
        running: &Arc<dyn PodsOn>,
    ) -> Result<PostFilter, PluginError> {
        let (plugins, refused) = answers::refused(refused);
        let view = mirror::pod(pod);
        let about = About { running: Some(running.clone()), ..self.seeing(pod, nodes) };
        let told = ask!(self.cycle, about, post_filter, |guest, store| async {
            own(guest.call_post_filter(&mut *store, &view, &plugins, &refused).await?)
        })?;
        Ok(answers::post_filter(told))
    }

    async fn pre_score(&self, pod: &PodView, nodes: &NodeTable, candidates: &[u32]) -> Result<PreScore, PluginError> {
        let view = mirror::pod(pod);
        let told = ask!(self.cycle, self.seeing(pod, nodes), pre_score, |guest, store| async {
            own(guest.call_pre_score(&mut *store, &view, candidates).await?)
        })?;
        Ok(answers::pre_score(told))
    }

    async fn score(&self, pod: &PodView, nodes: &NodeTable, candidates: &[u32]) -> Result<Vec<i64>, PluginError> {
        let view = mirror::pod(pod);
        if self.raw {
            let told = ask!(self.cycle, self.seeing(pod, nodes), raw_score, |guest, store| async {
                own(guest.call_score(&mut *store, &view, candidates).await?)
            })?;
            return self.checked(answers::raw_scores(told, candidates.len()));
        }
        let told = ask!(self.cycle, self.seeing(pod, nodes), score, |guest, store| async {
            own(guest.call_score(&mut *store, &view, candidates).await?)
        })?;
        self.checked(answers::scores(told, candidates.len(), if self.normalizes { u8::MAX } else { answers::MAX_SCORE }))
    }

    async fn normalize(&self, pod: &PodView, nodes: &NodeTable, candidates: &[u32], scores: Vec<i64>) -> Result<Vec<i64>, PluginError> {
        let view = mirror::pod(pod);
        let told = ask!(self.cycle, self.seeing(pod, nodes), score_normalize, |guest, store| async {
            own(guest.call_normalize(&mut *store, &view, candidates, &scores).await?)
        })?;
        self.checked(answers::scores(told, candidates.len(), answers::MAX_SCORE))
    }

    async fn reserve(&self, pod: &PodView, node: &str) -> Result<Option<Rejection>, PluginError> {
        let view = mirror::pod(pod);
        let told: Option<schedule_types::Rejection> =
            ask!(self.cycle, self.about(pod), reserve, |guest, store| async { own(guest.call_reserve(&mut *store, &view, node).await?) })?;
        Ok(told.map(answers::rejection))
    }

    async fn unreserve(&self, pod: &PodView, node: &str) -> Result<(), PluginError> {
        let view = mirror::pod(pod);
        ask!(self.cycle, self.about(pod), reserve, |guest, store| async { own(guest.call_unreserve(&mut *store, &view, node).await?) })
    }

    async fn permit(&self, pod: &PodView, node: &str) -> Result<Permit, PluginError> {
        let view = mirror::pod(pod);
        let told =
            ask!(self.cycle, self.about(pod), permit, |guest, store| async { own(guest.call_permit(&mut *store, &view, node).await?) })?;
        Ok(answers::permit(told))
    }

    async fn pre_bind(&self, pod: &PodView, node: &str) -> Result<Option<Rejection>, PluginError> {
        let view = mirror::pod(pod);
        let told: Option<schedule_types::Rejection> = ask!(self.of_bindings(), self.about(pod), pre_bind, |guest, store| async {
            own(guest.call_pre_bind(&mut *store, &view, node).await?)
        })?;
        Ok(told.map(answers::rejection))
    }

    async fn bind(&self, pod: &PodView, node: &str) -> Result<Bind, PluginError> {
        let view = mirror::pod(pod);
        let told = ask!(self.of_bindings(), self.about(pod), bind, |guest, store| async {
            own(guest.call_bind(&mut *store, &view, node).await?)
        })?;
        self.checked(answers::bind(told))
    }

    async fn post_bind(&self, pod: &PodView, node: &str) -> Result<(), PluginError> {
        let view = mirror::pod(pod);
        ask!(self.of_bindings(), self.about(pod), post_bind, |guest, store| async {
            own(guest.call_post_bind(&mut *store, &view, node).await?)
        })
    }
}

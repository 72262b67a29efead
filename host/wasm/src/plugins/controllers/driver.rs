//! One task per plugin: its definitions, its declaration, its watches and workers, and the swap when it is updated.

use super::feed::Feed;
use super::mapping::Primary;
use super::report::{Line, Report, Standing, Tally};
use super::watches::{self, Controller, Item, Mapper};
use super::work::Worker;
use super::{Context, ControllerRow, access, crds};
use client::{Client, Recorder, WorkQueue};
use interfaces::reconcile::{Declaration, Reconciler};
use object::Gvr;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a list may take before the plugin's status says that it is missing.
const FIRST_LIST: Duration = Duration::from_secs(15);
/// Between tries to set a plugin up: doubled from the first to the longest. A role that was granted meanwhile is found by this.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often rights are asked for again while a plugin runs: as often as a watch of its own would be opened anew.
const REVIEW: Duration = Duration::from_secs(300);
/// How often counters reach the status.
const REPORT: Duration = Duration::from_secs(5);

/// A component at work.
pub(super) struct Active {
    pub plugin: Arc<dyn Reconciler>,
    pub controllers: HashMap<Arc<str>, Controller>,
}

/// A plugin that was set up, with what runs for it.
struct Running {
    active: Arc<Active>,
    lines: Vec<Line>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    idle: Duration,
    resync: Option<Duration>,
}

/// Runs one plugin, as its row changes, until `stop`.
pub(super) async fn drive(context: Arc<Context>, mut rows: watch::Receiver<ControllerRow>, stop: CancellationToken) {
    let name = rows.borrow().plugin.name().to_owned();
    let mut driver = Driver {
        queue: WorkQueue::named(&format!("plugin-{name}")),
        recorder: context.client.recorder(&name, &context.node_name),
        report: Report::new(&context.client, &name),
        tally: Arc::default(),
        worked: Arc::default(),
        declared: None,
        rest_at: None,
        report_at: None,
        context: context.clone(),
    };
    let mut kinds = context.kinds.subscribe();
    let mut running: Option<Running> = None;
    let mut pause = FIRST_PAUSE;
    while !stop.is_cancelled() {
        let row = rows.borrow_and_update().clone();
        kinds.mark_unchanged();
        let ready = tokio::select! {
            () = stop.cancelled() => break,
            // Something newer is to be set up. Whoever sent it ended only when this is to end, too.
            Ok(()) = rows.changed() => continue,
            ready = driver.set_up(&row) => ready,
        };
        let complete = match ready {
            Ok((active, lines, mappers)) => {
                let complete = lines.iter().all(|line| line.standing == Standing::Running);
                driver.swap(&mut running, &row, active, lines, mappers).await;
                driver.write("", running.as_ref()).await;
                complete
            }
            Err(problem) => {
                tracing::warn!(plugin = name, "its controllers cannot be set up: {problem}");
                driver.write(&problem, running.as_ref()).await;
                row.plugin.rest();
                false
            }
        };
        pause = if complete { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        let again = Instant::now() + if complete { REVIEW } else { pause };
        match driver.attend(&mut running, &mut rows, &mut kinds, again, &stop).await {
            // A new component is tried at once, and its failures are counted anew.
            Wake::Row => pause = FIRST_PAUSE,
            Wake::Again => {}
        }
    }
    driver.queue.shut_down();
    if let Some(running) = running {
        running.end().await;
    }
}

enum Wake {
    Row,
    Again,
}

struct Driver {
    context: Arc<Context>,
    queue: WorkQueue<Item>,
    recorder: Recorder,
    report: Report,
    tally: Arc<Tally>,
    worked: Arc<Notify>,
    /// What the component said that was asked last.
    declared: Option<(Arc<dyn Reconciler>, Vec<Declaration>)>,
    /// When the plugin has been idle for long enough.
    rest_at: Option<Instant>,
    /// When counters are written.
    report_at: Option<Instant>,
}

type Ready = (Active, Vec<Line>, Vec<Arc<Mapper>>);

impl Driver {
    /// Everything that must be there before the first key is worked on: definitions, declaration, rights, watches with their first
    /// lists.
    ///
    /// # Errors
    /// What is wrong, in a sentence. A controller that cannot run yet is no error: its line says why.
    async fn set_up(&mut self, row: &ControllerRow) -> Result<Ready, String> {
        crds::apply(&self.context.client, &row.object, &row.settings.crds, row.settings.crd_deletion).await?;
        let declarations = match &self.declared {
            Some((plugin, declarations)) if Arc::ptr_eq(plugin, &row.plugin) => declarations.clone(),
            _ => {
                let declarations = row.plugin.declare().await.map_err(|error| error.to_string())?;
                self.declared = Some((row.plugin.clone(), declarations.clone()));
                declarations
            }
        };
        let client = self.context.client.with_user(row.account.clone());
        let mut active = Active { plugin: row.plugin.clone(), controllers: HashMap::new() };
        let (mut lines, mut mappers) = (Vec::new(), Vec::new());
        for declaration in declarations {
            let (name, resource) = (declaration.name.clone(), resource(&declaration.primary.gvr));
            let standing = match self.stand(&client, &declaration).await {
                Ok(kind) => {
                    let (feeds, queue) = (&self.context.feeds, &self.queue);
                    let (controller, more) = watches::open(feeds, queue, &client, &row.plugin, declaration, kind);
                    mappers.extend(more);
                    active.controllers.insert(Arc::from(name.as_str()), controller);
                    Standing::Running
                }
                Err(standing) => standing,
            };
            lines.push(Line { name, resource, standing });
        }
        let held = active.controllers.values().flat_map(|controller| &controller.followers);
        let feeds: Vec<Arc<Feed>> = held.map(|(feed, _)| feed.clone()).collect();
        for feed in feeds {
            let synced = tokio::time::timeout(FIRST_LIST, feed.synced()).await;
            synced.map_err(|_| format!("the first list of {} did not come in {} s", long(feed.resource()), FIRST_LIST.as_secs()))?;
        }
        Ok((active, lines, mappers))
    }

    /// The primary kind of a controller whose kinds are all there and may be read.
    async fn stand(&self, client: &Client, declaration: &Declaration) -> Result<Primary, Standing> {
        let registry = client.registry();
        let known = |gvr: &Gvr| registry.kind(gvr).ok_or_else(|| Standing::Waiting(format!("there is no resource {} yet", long(gvr))));
        let primary = &declaration.primary;
        let kind = known(&primary.gvr)?;
        for secondary in &declaration.secondaries {
            known(&secondary.watch.gvr)?;
        }
        let verbs: &[&str] = if declaration.finalizer.is_some() { &["get", "list", "watch", "patch"] } else { &["get", "list", "watch"] };
        let asked = std::iter::once((primary, verbs)).chain(declaration.secondaries.iter().map(|s| (&s.watch, &["list", "watch"][..])));
        for (watch, verbs) in asked {
            match access::denied(client, &watch.gvr, &watch.namespace, verbs).await {
                Ok(None) => {}
                Ok(Some(denied)) => return Err(Standing::Denied(denied)),
                Err(error) => return Err(Standing::Waiting(format!("cannot ask what it may read: {}", error.chain()))),
            }
        }
        Ok(Primary { group: kind.group.clone(), kind: kind.kind.clone(), namespaced: kind.is_namespaced() })
    }

    /// Ends the workers of the old component, each after its key, and starts those of the new; then every object comes once.
    async fn swap(&self, running: &mut Option<Running>, row: &ControllerRow, active: Active, lines: Vec<Line>, mappers: Vec<Arc<Mapper>>) {
        let active = Arc::new(active);
        let fresh = match running.take() {
            // The same component with the same watches, asked again: nothing happened to its objects.
            Some(old) if Arc::ptr_eq(&old.active.plugin, &row.plugin) && old.lines == lines && mappers.is_empty() => {
                old.end().await;
                false
            }
            Some(old) => {
                old.end().await;
                true
            }
            None => true,
        };
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        for mapper in mappers {
            tasks.spawn(mapper.run(stop.clone()));
        }
        let worker = Arc::new(Worker {
            queue: self.queue.clone(),
            active: active.clone(),
            recorder: self.recorder.clone(),
            tally: self.tally.clone(),
            worked: self.worked.clone(),
        });
        for _ in 0..row.settings.workers {
            tasks.spawn(worker.clone().run(stop.clone()));
        }
        if fresh {
            active.controllers.iter().for_each(|(name, controller)| self.queue_all(name, controller));
            // An instance was made to ask for the declaration.
            self.worked.notify_one();
        }
        let resync = active.controllers.values().map(|c| c.declaration.resync).filter(|resync| !resync.is_zero()).min();
        *running = Some(Running { active, lines, stop, tasks, idle: row.settings.idle, resync });
    }

    fn queue_all(&self, name: &Arc<str>, controller: &Controller) {
        for key in controller.feed.keys() {
            self.queue.add(Item { controller: name.clone(), key });
        }
    }

    /// Looks after a running plugin until it must be set up again.
    async fn attend(
        &mut self,
        running: &mut Option<Running>,
        rows: &mut watch::Receiver<ControllerRow>,
        kinds: &mut watch::Receiver<()>,
        again: Instant,
        stop: &CancellationToken,
    ) -> Wake {
        let worked = self.worked.clone();
        let mut resyncs = running.as_ref().map(Running::resyncs).unwrap_or_default();
        loop {
            let next = resyncs.values().map(|(at, _)| *at).chain([again]).chain(self.rest_at).chain(self.report_at).min().unwrap_or(again);
            tokio::select! {
                () = stop.cancelled() => return Wake::Again,
                changed = rows.changed() => {
                    if changed.is_err() {
                        // Whoever loads plugins has ended.
                        stop.cancelled().await;
                    }
                    return Wake::Row;
                }
                Ok(()) = kinds.changed() => {
                    if self.concerned(running.as_ref()) {
                        return Wake::Again;
                    }
                }
                () = worked.notified() => {
                    let now = Instant::now();
                    if let Some(running) = running.as_ref() {
                        self.rest_at = Some(now + running.idle);
                    }
                    self.report_at = self.report_at.or(Some(now + REPORT));
                }
                () = tokio::time::sleep_until(next) => {}
            }
            let now = Instant::now();
            if self.rest_at.is_some_and(|at| at <= now) {
                self.rest_at = None;
                if let Some(running) = running.as_ref() {
                    running.active.plugin.rest();
                }
            }
            if self.report_at.is_some_and(|at| at <= now) {
                self.report_at = None;
                self.write("", running.as_ref()).await;
            }
            if let Some(running) = running.as_ref() {
                for (name, (at, every)) in resyncs.iter_mut().filter(|(_, (at, _))| *at <= now) {
                    *at = now + *every;
                    if let Some(controller) = running.active.controllers.get(name) {
                        self.queue_all(name, controller);
                    }
                }
            }
            if again <= now {
                return Wake::Again;
            }
        }
    }

    /// Whether a kind that a controller waits for is there now, or one that it watches is gone.
    fn concerned(&self, running: Option<&Running>) -> bool {
        let registry = self.context.client.registry();
        let Some((_, declarations)) = &self.declared else { return true };
        declarations.iter().any(|declaration| {
            let runs = running.is_some_and(|running| running.active.controllers.contains_key(declaration.name.as_str()));
            let watches = std::iter::once(&declaration.primary).chain(declaration.secondaries.iter().map(|s| &s.watch));
            let there = watches.into_iter().all(|watch| registry.kind(&watch.gvr).is_some());
            runs != there
        })
    }

    async fn write(&mut self, problem: &str, running: Option<&Running>) {
        let lines = running.map(|running| running.lines.as_slice()).unwrap_or_default();
        let objects = running.map(|running| running.active.controllers.values().map(|c| c.feed.len()).sum()).unwrap_or_default();
        self.report.write(problem, lines, objects, &self.tally).await;
    }
}

impl Running {
    async fn end(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }

    /// When each controller's objects come again, and how often.
    fn resyncs(&self) -> HashMap<Arc<str>, (Instant, Duration)> {
        if self.resync.is_none() {
            return HashMap::new();
        }
        let now = Instant::now();
        let every = self.active.controllers.iter().map(|(name, controller)| (name.clone(), controller.declaration.resync));
        every.filter(|(_, every)| !every.is_zero()).map(|(name, every)| (name, (now + every, every))).collect()
    }
}

/// `plural.group`, as kubectl names it.
fn resource(gvr: &Gvr) -> String {
    if gvr.group.is_empty() { gvr.resource.clone() } else { format!("{}.{}", gvr.resource, gvr.group) }
}

fn long(gvr: &Gvr) -> String {
    format!("{} of {}", gvr.resource, gvr.api_version())
}

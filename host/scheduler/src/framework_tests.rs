//! Every extension point, by a plugin that does what its test says and writes down what it was asked.

use crate::ask;
use crate::binding::{Binding, Binds, NotBound};
use crate::cluster::Cluster;
use crate::config::Configuration;
use crate::cycle::{Cycle, Failure, Nominated};
use crate::event::{Event, Events};
use crate::pod::PodInfo;
use crate::post_filter::post_filter;
use crate::preempt::Outcome;
use crate::profile::{DEFAULT_NAME, Profile, Profiles};
use crate::queue::Queue;
use crate::testing::{node, pod, pod_with};
use crate::waiting::WaitingList;
use async_trait::async_trait;
use interfaces::schedule::*;
use object::{Value, json};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

type Log = Arc<Mutex<Vec<String>>>;

/// Its answers; defaults are "no opinion".
#[derive(Clone, Default)]
struct Fake {
    name: &'static str,
    log: Log,
    gate: Option<&'static str>,
    key: Option<fn(&PodView) -> i64>,
    events: Option<Events>,
    hint: bool,
    pre_filter: Option<PreFilter>,
    refuse: Option<(&'static str, Code)>,
    post_filter: Option<PostFilter>,
    skip_score: bool,
    scores: Vec<i64>,
    reserve: Option<&'static str>,
    permit: Option<Permit>,
    pre_bind: Option<&'static str>,
    bind: Option<Bind>,
    fails: &'static str,
}

impl Fake {
    fn asked(&self, what: &str, about: &str) -> Result<(), PluginError> {
        self.log.lock().push(format!("{}.{what} {about}", self.name));
        if self.fails == what {
            return Err(PluginError::Failed { plugin: self.name.to_owned(), cause: format!("no {what}") });
        }
        Ok(())
    }
}

fn rejection(reason: Option<&str>) -> Option<Rejection> {
    reason.map(|reason| Rejection { code: Code::Unschedulable, reason: reason.to_owned() })
}

#[async_trait]
impl SchedulePlugin for Fake {
    fn name(&self) -> &str {
        self.name
    }
    async fn pre_enqueue(&self, pods: &[&PodView]) -> Result<Vec<Option<String>>, PluginError> {
        self.asked("pre_enqueue", &names(pods))?;
        Ok(pods.iter().map(|pod| self.gate.filter(|gated| pod.name.starts_with(gated)).map(|_| "not yet".to_owned())).collect())
    }
    async fn sort_keys(&self, pods: &[&PodView]) -> Result<Vec<SortKey>, PluginError> {
        self.asked("sort_keys", &names(pods))?;
        Ok(pods.iter().map(|pod| SortKey::from([self.key.map(|key| key(pod)).unwrap_or_default()])).collect())
    }
    fn events(&self) -> Events {
        self.events.unwrap_or(Events::ALL)
    }
    async fn hint(&self, event: &Happened<'_>, pods: &[&PodView]) -> Result<Vec<bool>, PluginError> {
        let node = event.node.as_ref().map(|node| node.name.clone()).unwrap_or_default();
        self.asked("hint", &format!("{node}: {}", names(pods)))?;
        Ok(vec![self.hint; pods.len()])
    }
    async fn pre_filter(&self, _: &PodView, nodes: &NodeTable) -> Result<PreFilter, PluginError> {
        self.asked("pre_filter", &nodes.nodes.len().to_string())?;
        Ok(self.pre_filter.clone().unwrap_or(PreFilter::Pass))
    }
    async fn add_pods(&self, _: &PodView, change: &PodsChange<'_>) -> Result<(), PluginError> {
        self.asked("add_pods", &format!("{}: {} then {}", change.node, names(change.pods), change.then.pod_count))
    }
    async fn remove_pods(&self, _: &PodView, change: &PodsChange<'_>) -> Result<(), PluginError> {
        self.asked("remove_pods", &format!("{}: {} then {}", change.node, names(change.pods), change.then.pod_count))
    }
    async fn filter(&self, _: &PodView, nodes: &NodeTable, candidates: &[u32]) -> Result<Vec<Refusal>, PluginError> {
        self.asked("filter", &format!("{candidates:?}"))?;
        let Some((name, code)) = self.refuse else { return Ok(Vec::new()) };
        let refused = candidates.iter().filter(|node| name == "*" || nodes.nodes[**node as usize].name == name);
        Ok(refused.map(|node| Refusal { node: *node, code, reason: format!("{} says no", self.name).into() }).collect())
    }
    async fn post_filter(
        &self,
        _: &PodView,
        _: &NodeTable,
        refused: &[Refused<'_>],
        pods: &Arc<dyn PodsOn>,
    ) -> Result<PostFilter, PluginError> {
        let told: Vec<String> = refused.iter().map(|r| format!("{} by {} with {}", r.node, r.plugin, names(&pods.on(r.node)))).collect();
        self.asked("post_filter", &told.join("; "))?;
        Ok(self.post_filter.clone().unwrap_or(PostFilter::Nothing(String::new())))
    }
    async fn pre_score(&self, _: &PodView, _: &NodeTable, candidates: &[u32]) -> Result<PreScore, PluginError> {
        self.asked("pre_score", &candidates.len().to_string())?;
        Ok(if self.skip_score { PreScore::Skip } else { PreScore::Pass })
    }
    async fn score(&self, _: &PodView, _: &NodeTable, _: &[u32]) -> Result<Vec<i64>, PluginError> {
        self.asked("score", "")?;
        Ok(self.scores.clone())
    }
    async fn normalize(&self, _: &PodView, _: &NodeTable, _: &[u32], scores: Vec<i64>) -> Result<Vec<i64>, PluginError> {
        self.asked("normalize", &format!("{scores:?}"))?;
        let largest = scores.iter().copied().max().unwrap_or_default().max(1);
        Ok(scores.into_iter().map(|score| score * 100 / largest).collect())
    }
    async fn reserve(&self, _: &PodView, node: &str) -> Result<Option<Rejection>, PluginError> {
        self.asked("reserve", node)?;
        Ok(rejection(self.reserve))
    }
    async fn unreserve(&self, _: &PodView, node: &str) -> Result<(), PluginError> {
        self.asked("unreserve", node)
    }
    async fn permit(&self, _: &PodView, node: &str) -> Result<Permit, PluginError> {
        self.asked("permit", node)?;
        Ok(self.permit.clone().unwrap_or(Permit::Allow))
    }
    async fn pre_bind(&self, _: &PodView, node: &str) -> Result<Option<Rejection>, PluginError> {
        self.asked("pre_bind", node)?;
        Ok(rejection(self.pre_bind))
    }
    async fn bind(&self, _: &PodView, node: &str) -> Result<Bind, PluginError> {
        self.asked("bind", node)?;
        Ok(self.bind.clone().unwrap_or(Bind::Skip))
    }
    async fn post_bind(&self, _: &PodView, node: &str) -> Result<(), PluginError> {
        self.asked("post_bind", node)
    }
}

fn names(pods: &[&PodView]) -> String {
    pods.iter().map(|pod| pod.name.as_str()).collect::<Vec<_>>().join(",")
}

fn row(fake: Fake, points: Points) -> PluginRow {
    PluginRow { plugin: Arc::new(fake), points, weight: 1, failure_policy: FailurePolicy::Fail, profiles: Vec::new() }
}

fn profiles(rows: Vec<PluginRow>) -> Profiles {
    Profiles::build(&Configuration::default(), &Arc::new(rows))
}

fn profile(rows: Vec<PluginRow>) -> Arc<Profile> {
    profiles(rows).of(DEFAULT_NAME).unwrap().clone()
}

fn cluster(nodes: usize) -> Cluster {
    let mut cluster = Cluster::default();
    for name in ["a", "b", "c"].iter().take(nodes) {
        cluster.set_node(node(name, json!({})));
    }
    cluster
}

/// Where a pod goes on this many nodes, and what the plugins were asked.
async fn check(nodes: usize, rows: Vec<PluginRow>, log: &Log, expect: &str, asked: &[&str]) {
    let (mut cluster, profile, mut cycle) = (cluster(nodes), profile(rows), Cycle::default());
    let found = cycle.find(&pod("p", json!({})), &mut cluster, &profile, &Nominated::default()).await;
    let told = match found {
        Ok(at) => cluster.rows()[at as usize].name.clone(),
        Err(Failure::Unfit) => cycle.diagnosis.message(nodes),
        Err(Failure::Plugin(error)) => error.to_string(),
        Err(Failure::NoNodes) => "no nodes".to_owned(),
    };
    assert_eq!(told, expect);
    assert_eq!(log.lock().drain(..).collect::<Vec<_>>(), asked);
}

const NO: Code = Code::Unschedulable;

#[tokio::test]
async fn pre_filter_chooses_skips_and_refuses() {
    let log = Log::default();
    let fake = |pre_filter| Fake { name: "x", log: log.clone(), pre_filter: Some(pre_filter), refuse: Some(("a", NO)), ..Fake::default() };
    let points = Points::PRE_FILTER | Points::FILTER;
    check(1, vec![row(fake(PreFilter::Pass), points)], &log, "0/1 nodes are available: 1 x says no.", &["x.pre_filter 1", "x.filter [0]"])
        .await;
    check(1, vec![row(fake(PreFilter::Skip), points)], &log, "a", &["x.pre_filter 1"]).await;
    check(3, vec![row(fake(PreFilter::Only(vec![2, 7])), points)], &log, "c", &["x.pre_filter 3", "x.filter [2]"]).await;
    let excluded = "0/3 nodes are available: 1 x says no, 2 node(s) didn't satisfy plugin(s) [x].";
    check(3, vec![row(fake(PreFilter::Only(vec![0])), points)], &log, excluded, &["x.pre_filter 3", "x.filter [0]"]).await;
    let refuse = PreFilter::Refuse(Rejection { code: Code::UnschedulableAndUnresolvable, reason: "never".to_owned() });
    check(3, vec![row(fake(refuse), points)], &log, "0/3 nodes are available: never.", &["x.pre_filter 3"]).await;
    // Two that leave no node in common.
    let other = Fake { name: "y", log: log.clone(), pre_filter: Some(PreFilter::Only(vec![1])), ..Fake::default() };
    let both = vec![row(fake(PreFilter::Only(vec![0])), Points::PRE_FILTER), row(other, Points::PRE_FILTER)];
    check(3, both, &log, "0/3 nodes are available: 3 node(s) didn't satisfy plugin(s) [x y].", &["x.pre_filter 3", "y.pre_filter 3"]).await;
}

#[tokio::test]
async fn scores_are_prepared_and_normalized() {
    let log = Log::default();
    let fake = || Fake { name: "x", log: log.clone(), scores: vec![-700, 7000], ..Fake::default() };
    let points = Points::PRE_SCORE | Points::SCORE | Points::SCORE_NORMALIZE;
    let mut heavy = row(fake(), points);
    heavy.weight = 1000;
    // The node that is first in the feasible list may be either: the scores are by place.
    let (mut two, profile, mut cycle) = (cluster(2), profile(vec![heavy]), Cycle::default());
    let found = cycle.find(&pod("p", json!({})), &mut two, &profile, &Nominated::default()).await;
    assert!(matches!(found, Err(Failure::Plugin(_))), "-700 brought to 0..=100 is still below: {found:?}");
    assert_eq!(log.lock().drain(..).collect::<Vec<_>>(), ["x.pre_score 2", "x.score ", "x.normalize [-700, 7000]"]);
    let good = Fake { scores: vec![5, 7000], ..fake() };
    let mut heavy = row(good, points);
    heavy.weight = 1000;
    check(2, vec![heavy], &log, "b", &["x.pre_score 2", "x.score ", "x.normalize [5, 7000]"]).await;
    let skips = Fake { skip_score: true, ..fake() };
    let (mut two, profile, mut cycle) = (cluster(2), super::framework_tests::profile(vec![row(skips, points)]), Cycle::default());
    assert!(cycle.find(&pod("p", json!({})), &mut two, &profile, &Nominated::default()).await.is_ok());
    assert_eq!(log.lock().drain(..).collect::<Vec<_>>(), ["x.pre_score 2"]);
}

#[tokio::test]
async fn one_that_failed_and_may_be_ignored_is_asked_no_more() {
    let log = Log::default();
    let fake = Fake { name: "x", log: log.clone(), refuse: Some(("*", NO)), fails: "pre_filter", ..Fake::default() };
    let points = Points::PRE_FILTER | Points::FILTER | Points::SCORE;
    check(1, vec![row(fake.clone(), points)], &log, "plugin x failed: no pre_filter", &["x.pre_filter 1"]).await;
    let ignored = PluginRow { failure_policy: FailurePolicy::Ignore, ..row(fake, points) };
    check(1, vec![ignored], &log, "a", &["x.pre_filter 1"]).await;
}

/// What comes of a pod of priority 10 that only `x` refuses, with `old` (priority 0) on node a.
async fn check_after(rows: Vec<PluginRow>, expect: &str) {
    let (mut cluster, profile, mut cycle) = (cluster(1), profile(rows), Cycle::default());
    cluster.assume(pod("old", json!({})), 0);
    let pod = pod_with("p", json!({ "spec": { "priority": 10 } }));
    let found = cycle.find(&pod, &mut cluster, &profile, &Nominated::default()).await;
    assert!(matches!(found, Err(Failure::Unfit)), "{found:?}");
    let told = match post_filter(&pod, &cluster, &profile, &cycle).await {
        Ok(Outcome::Room { node, victims }) => format!("{node}: {}", victims.iter().map(|v| v.name.as_str()).collect::<Vec<_>>().join(" ")),
        Ok(Outcome::Nothing(why) | Outcome::NotEligible(why)) => why,
        Err(error) => error.to_string(),
    };
    assert_eq!(told, expect);
}

#[tokio::test]
async fn post_filter_makes_room_or_not() {
    let log = Log::default();
    let fake = |answer| Fake { name: "x", log: log.clone(), refuse: Some(("*", NO)), post_filter: Some(answer), ..Fake::default() };
    let rows = |answer| vec![row(fake(answer), Points::FILTER | Points::POST_FILTER)];
    let native = "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";
    check_after(rows(PostFilter::Nothing(String::new())), native).await;
    assert_eq!(log.lock().drain(..).collect::<Vec<_>>(), ["x.filter [0]", "x.post_filter 0 by x with old"]);
    check_after(rows(PostFilter::Nothing("no idea".to_owned())), &format!("no idea {native}")).await;
    check_after(rows(PostFilter::Unresolvable("hopeless".to_owned())), "hopeless").await;
    let nominate = |node, victims: &[&str]| PostFilter::Nominate { node, victims: victims.iter().map(|v| (*v).to_owned()).collect() };
    check_after(rows(nominate(0, &["uid-old"])), "a: old").await;
    check_after(rows(nominate(0, &["uid-new"])), "plugin x failed: it wants to end pod uid-new, which is not on node a").await;
    check_after(rows(nominate(3, &[])), "plugin x failed: it nominated node 3, which is not there").await;
}

#[tokio::test]
async fn dry_runs_tell_plugins_what_comes_and_goes() {
    /// Refuses a node with a pod on it, as told.
    #[derive(Default)]
    struct Lonely(Mutex<i64>, Log);
    #[async_trait]
    impl SchedulePlugin for Lonely {
        fn name(&self) -> &str {
            "lonely"
        }
        async fn pre_filter(&self, _: &PodView, nodes: &NodeTable) -> Result<PreFilter, PluginError> {
            *self.0.lock() = nodes.nodes.iter().map(|node| i64::from(node.pod_count)).sum();
            Ok(PreFilter::Pass)
        }
        async fn add_pods(&self, _: &PodView, change: &PodsChange<'_>) -> Result<(), PluginError> {
            *self.0.lock() += change.pods.len() as i64;
            self.1.lock().push(format!("+{} = {}", names(change.pods), change.then.pod_count));
            Ok(())
        }
        async fn remove_pods(&self, _: &PodView, change: &PodsChange<'_>) -> Result<(), PluginError> {
            *self.0.lock() -= change.pods.len() as i64;
            self.1.lock().push(format!("-{} = {}", names(change.pods), change.then.pod_count));
            Ok(())
        }
        async fn filter(&self, _: &PodView, _: &NodeTable, candidates: &[u32]) -> Result<Vec<Refusal>, PluginError> {
            let crowded = *self.0.lock() > 0;
            let refused = candidates.iter().filter(|_| crowded);
            Ok(refused.map(|node| Refusal { node: *node, code: NO, reason: "crowded".into() }).collect())
        }
    }
    let log = Log::default();
    let lonely = |points| PluginRow {
        plugin: Arc::new(Lonely(Mutex::default(), log.clone())),
        points,
        weight: 1,
        failure_policy: FailurePolicy::Fail,
        profiles: Vec::new(),
    };
    let points = Points::PRE_FILTER | Points::FILTER;
    check_after(vec![lonely(points)], "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.").await;
    check_after(vec![lonely(points | Points::PRE_FILTER_EXTENSIONS)], "a: old").await;
    // Without it the pod fits; with it (nothing changes) it does not.
    assert_eq!(log.lock().drain(..).collect::<Vec<_>>(), ["-old = 0", "+old = 1"]);
}

/// Writes bindings down.
struct Pen(Log);

#[async_trait]
impl Binds for Pen {
    async fn bind(&self, pod: &PodInfo, node: &str, annotations: &[(String, String)]) -> Result<(), String> {
        self.0.lock().push(format!("binding {} to {node} {annotations:?}", pod.name));
        if node == "away" { Err("node is away".to_owned()) } else { Ok(()) }
    }
    fn bound(&self, _: &PodInfo, _: &str) {
        self.0.lock().push("bound".to_owned());
    }
}

async fn check_binding(rows: Vec<PluginRow>, log: &Log, node: &str, expect: Result<(), NotBound>, asked: &[&str]) {
    let binding = Binding {
        pod: pod("p", json!({})),
        node: node.to_owned(),
        profile: profile(rows),
        writer: Arc::new(Pen(log.clone())),
        waiting: Arc::new(WaitingList::default()),
    };
    let bound = match binding.prepare().await {
        Ok(ticket) => binding.run(ticket, Arc::new(Semaphore::new(1))).await,
        Err(why) => Err(why),
    };
    assert_eq!(bound, expect);
    assert_eq!(log.lock().drain(..).collect::<Vec<_>>(), asked);
}

fn refused(plugin: &str, reason: &str) -> Result<(), NotBound> {
    Err(NotBound::Refused { plugin: plugin.to_owned(), reason: reason.to_owned() })
}

#[tokio::test]
async fn a_pod_is_bound_in_order_and_given_back_in_reverse() {
    let log = Log::default();
    let fake = |name| Fake { name, log: log.clone(), ..Fake::default() };
    let all = Points::RESERVE | Points::PERMIT | Points::PRE_BIND | Points::BIND | Points::POST_BIND;
    let good = ["x.reserve n", "y.reserve n", "x.permit n", "y.permit n", "x.pre_bind n", "y.pre_bind n", "x.bind n", "y.bind n"];
    let mut asked = good.to_vec();
    asked.extend(["binding p to n []", "bound", "x.post_bind n", "y.post_bind n"]);
    check_binding(vec![row(fake("x"), all), row(fake("y"), all)], &log, "n", Ok(()), &asked).await;

    let y = |fake| vec![row(Fake { name: "x", log: log.clone(), ..Fake::default() }, Points::RESERVE), row(fake, all)];
    let full = Fake { reserve: Some("full"), ..fake("y") };
    check_binding(y(full), &log, "n", refused("y", "full"), &["x.reserve n", "y.reserve n", "y.unreserve n", "x.unreserve n"]).await;
    let denied = Fake { permit: Some(Permit::Deny("no".to_owned())), ..fake("y") };
    let given_back = ["x.reserve n", "y.reserve n", "y.permit n", "y.unreserve n", "x.unreserve n"];
    check_binding(y(denied), &log, "n", refused("y", "no"), &given_back).await;
    let late = Fake { permit: Some(Permit::Wait(Duration::from_millis(1))), ..fake("y") };
    let timeout = "rejected due to timeout after waiting 1ms at plugin y";
    check_binding(y(late), &log, "n", refused("y", timeout), &given_back).await;
    let unready = Fake { pre_bind: Some("unready"), ..fake("y") };
    let given_back = ["x.reserve n", "y.reserve n", "y.permit n", "y.pre_bind n", "y.unreserve n", "x.unreserve n"];
    check_binding(y(unready), &log, "n", refused("y", "unready"), &given_back).await;
    let broken = Fake { fails: "reserve", ..fake("y") };
    let failed = Err(NotBound::Failed("running Reserve plugin: plugin y failed: no reserve".to_owned()));
    check_binding(y(broken.clone()), &log, "n", failed, &["x.reserve n", "y.reserve n", "y.unreserve n", "x.unreserve n"]).await;
    let ignored = PluginRow { failure_policy: FailurePolicy::Ignore, ..row(broken, Points::RESERVE) };
    check_binding(vec![ignored], &log, "n", Ok(()), &["y.reserve n", "binding p to n []", "bound"]).await;
    let failed = Err(NotBound::Failed("binding rejected: node is away".to_owned()));
    check_binding(vec![], &log, "away", failed, &["binding p to away []"]).await;
}

#[tokio::test]
async fn the_first_binder_that_does_not_skip_binds() {
    let log = Log::default();
    let fake = |name, bind| row(Fake { name, log: log.clone(), bind: Some(bind), ..Fake::default() }, Points::BIND);
    let done = vec![fake("x", Bind::Skip), fake("y", Bind::Done), fake("z", Bind::Done)];
    check_binding(done, &log, "n", Ok(()), &["x.bind n", "y.bind n", "bound"]).await;
    let write = vec![fake("x", Bind::Write(vec![("k".to_owned(), "v".to_owned())]))];
    check_binding(write, &log, "n", Ok(()), &["x.bind n", r#"binding p to n [("k", "v")]"#, "bound"]).await;
}

#[tokio::test]
async fn a_pod_waits_until_it_is_allowed() {
    let log = Log::default();
    let fake = Fake { name: "x", log: log.clone(), permit: Some(Permit::Wait(Duration::from_secs(600))), ..Fake::default() };
    let waiting = Arc::new(WaitingList::default());
    let binding = Binding {
        pod: pod("p", json!({})),
        node: "n".to_owned(),
        profile: profile(vec![row(fake, Points::PERMIT)]),
        writer: Arc::new(Pen(log.clone())),
        waiting: waiting.clone(),
    };
    let ticket = binding.prepare().await.unwrap();
    let list = waiting.list();
    assert_eq!(list.iter().map(|w| (w.pod.name.as_str(), w.node.as_str())).collect::<Vec<_>>(), [("p", "n")]);
    let (bound, ()) = tokio::join!(binding.run(ticket, Arc::new(Semaphore::new(1))), async {
        assert!(waiting.allow("x", "uid-p"));
    });
    assert_eq!(bound, Ok(()));
    assert_eq!(log.lock().drain(..).collect::<Vec<_>>(), ["x.permit n", "binding p to n []", "bound"]);
}

fn popped(queue: &mut Queue, profiles: &Profiles, now: Instant) -> Option<String> {
    queue.pop(profiles, now).map(|(pod, _)| pod.name.clone())
}

async fn enter(queue: &mut Queue, profiles: &Profiles, pods: &[(&str, i64)], now: Instant) -> Vec<String> {
    for (name, priority) in pods {
        queue.set(pod_with(name, json!({ "spec": { "priority": priority } })), profiles, now);
    }
    let gated = ask::admit(queue, profiles, now).await;
    gated.into_iter().map(|g| format!("{} by {}: {}", g.pod.name, g.plugin, g.why.unwrap_or_else(|error| error.to_string()))).collect()
}

#[tokio::test]
async fn a_plugin_sorts_the_queue_by_one_key_per_pod() {
    let (log, now) = (Log::default(), Instant::now());
    // The name's last letter, backwards.
    let key: fn(&PodView) -> i64 = |pod| -i64::from(pod.name.bytes().last().unwrap_or_default());
    let fake = Fake { name: "x", log: log.clone(), key: Some(key), ..Fake::default() };
    let sorting = profiles(vec![row(fake, Points::QUEUE_SORT)]);
    let mut queue = Queue::default();
    assert!(enter(&mut queue, &sorting, &[("a", 100), ("c", 0), ("b", 50)], now).await.is_empty());
    assert_eq!(log.lock().drain(..).collect::<Vec<_>>(), ["x.sort_keys a,c,b"]);
    let order: Vec<_> = std::iter::from_fn(|| popped(&mut queue, &sorting, now)).collect();
    assert_eq!(order, ["c", "b", "a"]);

    // It goes: those that wait are sorted as ever.
    let (plain, mut queue) = (profiles(Vec::new()), Queue::default());
    enter(&mut queue, &sorting, &[("a", 100), ("c", 0), ("b", 50)], now).await;
    queue.replace_profiles(&plain);
    let order: Vec<_> = std::iter::from_fn(|| popped(&mut queue, &plain, now)).collect();
    assert_eq!(order, ["a", "b", "c"]);

    // One that fails sorts nothing.
    let broken = profiles(vec![row(Fake { name: "x", fails: "sort_keys", ..Fake::default() }, Points::QUEUE_SORT)]);
    let mut queue = Queue::default();
    enter(&mut queue, &broken, &[("c", 0), ("a", 100)], now).await;
    let order: Vec<_> = std::iter::from_fn(|| popped(&mut queue, &broken, now)).collect();
    assert_eq!(order, ["a", "c"]);
}

#[tokio::test]
async fn a_plugin_keeps_pods_out_of_the_queue() {
    let (log, now) = (Log::default(), Instant::now());
    let fake = |gate| Fake { name: "x", log: log.clone(), gate, events: Some(Events::NODE_ADDED), hint: true, ..Fake::default() };
    let points = Points::PRE_ENQUEUE | Points::REQUEUE;
    let gating = profiles(vec![row(fake(Some("g")), points)]);
    let mut queue = Queue::default();
    assert_eq!(enter(&mut queue, &gating, &[("g1", 0), ("free", 0), ("g2", 0)], now).await, ["g1 by x: not yet", "g2 by x: not yet"]);
    assert_eq!(popped(&mut queue, &gating, now), Some("free".into()));
    assert_eq!(popped(&mut queue, &gating, now), None);
    assert_eq!(log.lock().drain(..).collect::<Vec<_>>(), ["x.pre_enqueue g1,free,g2"]);

    // Only what the plugin cares about brings them back, and then it is asked again.
    let open = profiles(vec![row(fake(None), points)]);
    let added = Event::only(Events::NODE_ADDED);
    assert!(queue.on_event(&Event::only(Events::NODE_LABELS), &open, now).is_empty());
    let questions = queue.on_event(&added, &open, now);
    ask::hints(&mut queue, &open, questions, &added, now).await;
    assert!(ask::admit(&mut queue, &open, now).await.is_empty());
    let mut order: Vec<_> = std::iter::from_fn(|| popped(&mut queue, &open, now)).collect();
    order.sort();
    assert_eq!(order, ["g1", "g2"]);

    // One that fails lets none pass, for a while.
    let broken = profiles(vec![row(Fake { fails: "pre_enqueue", ..fake(None) }, points)]);
    let mut queue = Queue::default();
    assert_eq!(enter(&mut queue, &broken, &[("p", 0)], now).await, ["p by x: plugin x failed: no pre_enqueue"]);
    assert_eq!(popped(&mut queue, &broken, now), None);
    let later = now + Duration::from_secs(1);
    assert_eq!(popped(&mut queue, &open, later), None, "it is asked again first");
    assert!(ask::admit(&mut queue, &open, later).await.is_empty());
    assert_eq!(popped(&mut queue, &open, later), Some("p".into()));
}

#[tokio::test]
async fn hints_are_asked_once_for_all_pods() {
    let (log, now) = (Log::default(), Instant::now());
    let fake = |hint| Fake { name: "x", log: log.clone(), hint, events: Some(Events::NODE_LABELS), ..Fake::default() };
    for (hint, woken) in [(false, Vec::new()), (true, vec!["p", "q"])] {
        let profiles = profiles(vec![row(fake(hint), Points::FILTER | Points::REQUEUE)]);
        let mut queue = Queue::default();
        for name in ["p", "q"] {
            queue.set(pod(name, json!({})), &profiles, now);
            queue.pop(&profiles, now);
            queue.unschedulable(&format!("uid-{name}"), vec!["x".to_owned()], &profiles, now);
        }
        let (cluster, later) = (cluster(1), now + Duration::from_secs(20));
        let event = |kinds| Event { kinds, node: cluster.row("a"), pod: None };
        assert!(queue.on_event(&event(Events::NODE_TAINTS), &profiles, later).is_empty());
        let labels = event(Events::NODE_LABELS);
        let questions = queue.on_event(&labels, &profiles, later);
        ask::hints(&mut queue, &profiles, questions, &labels, later).await;
        let asked = log.lock().drain(..).collect::<Vec<_>>();
        assert!(asked == ["x.hint a: p,q"] || asked == ["x.hint a: q,p"], "{asked:?}");
        let mut order: Vec<_> = std::iter::from_fn(|| popped(&mut queue, &profiles, later)).collect();
        order.sort();
        assert_eq!(order, woken);
    }
}

#[test]
fn what_happens_while_a_pod_is_being_bound_is_not_missed() {
    let (profiles, now) = (profiles(Vec::new()), Instant::now());
    let mut queue = Queue::default();
    for (happens, woken) in [(false, None), (true, Some("p".to_owned()))] {
        queue.remove("uid-p");
        queue.set(pod("p", json!({})), &profiles, now);
        queue.pop(&profiles, now);
        if happens {
            queue.on_event(&Event::only(Events::NODE_OTHER), &profiles, now);
        }
        queue.unschedulable("uid-p", vec!["NodeName".to_owned()], &profiles, now);
        assert_eq!(popped(&mut queue, &profiles, now + Duration::from_secs(2)), woken);
    }
}

/// The plugins of a point in a profile, in order.
fn order(profile: &Profile, point: Points) -> String {
    let names = |at: Vec<usize>| at.into_iter().map(|at| profile.name_of(at)).collect::<Vec<_>>().join(" ");
    match point {
        Points::FILTER => names(profile.filters().map(|(at, _)| at).collect()),
        Points::SCORE => profile.scorers().map(|(_, row)| format!("{}:{}", row.plugin.name(), row.weight)).collect::<Vec<_>>().join(" "),
        Points::BIND => names(profile.binders().map(|(at, _)| at).collect()),
        _ => names(profile.post_filters().map(|(at, _)| at).collect()),
    }
}

fn configured(profiles: Value, rows: Vec<PluginRow>) -> Profiles {
    let file = json!({ "apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration", "profiles": profiles });
    Profiles::build(&Configuration::of(&file).unwrap(), &Arc::new(rows))
}

#[test]
fn profiles_have_their_own_plugins_in_their_own_order() {
    const FILTERS: &str =
        "NodeUnschedulable NodeName TaintToleration NodeAffinity NodePorts NodeResourcesFit PodTopologySpread InterPodAffinity";
    const SCORES: &str = "TaintToleration:3 NodeAffinity:2 NodeResourcesFit:1 PodTopologySpread:2 InterPodAffinity:2 NodeResourcesBalancedAllocation:1 ImageLocality:1";
    let all = Points::FILTER | Points::SCORE | Points::BIND | Points::POST_FILTER;
    let fake = |name, profiles: &[&str]| PluginRow {
        profiles: profiles.iter().map(|p| (*p).to_owned()).collect(),
        ..row(Fake { name, ..Fake::default() }, all)
    };
    let check = |profiles: &Profiles, name: &str, point, expect: &str| {
        let profile = profiles.of(name).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(order(profile, point), expect, "{name}");
    };
    // Without a word, a plugin is in the default profile; otherwise where it says, and the profile is made.
    let built = configured(json!([]), vec![fake("x", &[]), fake("y", &["default-scheduler", "own"])]);
    check(&built, DEFAULT_NAME, Points::FILTER, &format!("{FILTERS} x y"));
    check(&built, DEFAULT_NAME, Points::SCORE, &format!("{SCORES} x:1 y:1"));
    check(&built, DEFAULT_NAME, Points::BIND, "x y DefaultBinder");
    check(&built, DEFAULT_NAME, Points::POST_FILTER, "x y DefaultPreemption");
    check(&built, "own", Points::FILTER, &format!("{FILTERS} y"));
    assert!(built.of("other").is_none());
    // The file has the last word: order, weights, what is off.
    let file = json!([
        { "schedulerName": "first", "plugins": { "multiPoint": {
            "enabled": [{ "name": "x", "weight": 7 }, { "name": "ImageLocality", "weight": 9 }],
            "disabled": [{ "name": "NodeName" }, { "name": "TaintToleration" }] } } },
        { "schedulerName": "second", "plugins": {
            "filter": { "enabled": [{ "name": "x" }, { "name": "NodePorts" }] },
            "score": { "disabled": [{ "name": "*" }], "enabled": [{ "name": "NodeResourcesFit", "weight": 4 }] },
            "bind": { "enabled": [{ "name": "x" }], "disabled": [{ "name": "DefaultBinder" }] } } },
        { "schedulerName": "third", "plugins": { "filter": { "disabled": [{ "name": "x" }] }, "multiPoint": { "enabled": [{ "name": "gone" }] } } },
    ]);
    let built = configured(file, vec![fake("x", &["third"])]);
    check(
        &built,
        "first",
        Points::FILTER,
        "NodeUnschedulable NodeAffinity NodePorts NodeResourcesFit PodTopologySpread InterPodAffinity x",
    );
    let scores =
        "NodeAffinity:2 NodeResourcesFit:1 PodTopologySpread:2 InterPodAffinity:2 NodeResourcesBalancedAllocation:1 ImageLocality:9 x:7";
    check(&built, "first", Points::SCORE, scores);
    check(&built, "first", Points::BIND, "DefaultBinder x");
    let filters = "NodePorts NodeUnschedulable NodeName TaintToleration NodeAffinity NodeResourcesFit PodTopologySpread InterPodAffinity x";
    check(&built, "second", Points::FILTER, filters);
    check(&built, "second", Points::SCORE, "NodeResourcesFit:4");
    check(&built, "second", Points::BIND, "x");
    check(&built, "third", Points::FILTER, &format!("{FILTERS} gone"));
    check(&built, "third", Points::SCORE, &format!("{SCORES} x:1"));
    assert!(built.of(DEFAULT_NAME).is_none());
}

#[tokio::test]
async fn a_plugin_that_is_configured_and_not_loaded_lets_nothing_pass() {
    let built = configured(json!([{ "plugins": { "multiPoint": { "enabled": [{ "name": "gone" }] } } }]), Vec::new());
    let (mut cluster, mut cycle) = (cluster(1), Cycle::default());
    let found = cycle.find(&pod("p", json!({})), &mut cluster, built.of(DEFAULT_NAME).unwrap(), &Nominated::default()).await;
    let Err(Failure::Plugin(error)) = found else { panic!("{found:?}") };
    assert_eq!(error.to_string(), "plugin gone failed: it is in the configuration and not loaded");
}

/// Where a pod goes whose profile has these plugin arguments.
async fn check_args(args: Value, nodes: &[Arc<object::Object>], before: &[(Arc<PodInfo>, u32)], pod: &PodInfo, expect: &str) {
    let built = configured(json!([{ "pluginConfig": args }]), Vec::new());
    let (mut cluster, mut cycle) = (Cluster::default(), Cycle::default());
    for node in nodes {
        cluster.set_node(node.clone());
    }
    before.iter().for_each(|(pod, at)| cluster.assume(pod.clone(), *at));
    let told = match cycle.find(pod, &mut cluster, built.of(DEFAULT_NAME).unwrap(), &Nominated::default()).await {
        Ok(at) => cluster.rows()[at as usize].name.clone(),
        Err(Failure::Unfit) => cycle.diagnosis.message(nodes.len()),
        other => format!("{other:?}"),
    };
    assert_eq!(told, expect, "{args}");
}

#[tokio::test]
async fn arguments_change_what_native_plugins_do() {
    let pair = [node("a", json!({})), node("b", json!({}))];
    let asks = |name: &str| pod(name, json!({ "cpu": "1", "memory": "2Gi" }));
    let old = [(asks("old"), 0)];
    let fit = |strategy: Value| json!([{ "name": "NodeResourcesFit", "args": { "scoringStrategy": strategy } }]);
    check_args(fit(json!({ "type": "LeastAllocated" })), &pair, &old, &asks("p"), "b").await;
    check_args(fit(json!({ "type": "MostAllocated" })), &pair, &old, &asks("p"), "a").await;
    let shape = |low: i64, high: i64| {
        let shape = json!([{ "utilization": 0, "score": low }, { "utilization": 100, "score": high }]);
        fit(json!({ "type": "RequestedToCapacityRatio", "requestedToCapacityRatio": { "shape": shape } }))
    };
    check_args(shape(10, 0), &pair, &old, &asks("p"), "b").await;
    check_args(shape(0, 10), &pair, &old, &asks("p"), "a").await;
    let ignoring = json!([{ "name": "NodeResourcesFit", "args": { "ignoredResourceGroups": ["x"] } }]);
    check_args(ignoring, &pair[..1], &[], &pod("p", json!({ "x/y": "1" })), "a").await;

    let zoned =
        [node("a", json!({ "metadata": { "labels": { "pool": "a" } } })), node("b", json!({ "metadata": { "labels": { "pool": "b" } } }))];
    let term = json!({ "matchExpressions": [{ "key": "pool", "operator": "In", "values": ["b"] }] });
    let required = json!({ "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [term] } });
    let added = |affinity: &Value| json!([{ "name": "NodeAffinity", "args": { "addedAffinity": affinity } }]);
    check_args(added(&required), &zoned, &[], &pod("p", json!({})), "b").await;
    let enforced = "0/1 nodes are available: 1 node(s) didn't match scheduler-enforced node affinity.";
    check_args(added(&required), &zoned[..1], &[], &pod("p", json!({})), enforced).await;
    let preferred = json!({ "preferredDuringSchedulingIgnoredDuringExecution": [{ "weight": 100, "preference": term }] });
    check_args(added(&preferred), &zoned, &[], &pod("p", json!({})), "b").await;
}

#[tokio::test]
async fn pods_are_spread_by_default_constraints_over_their_fellows() {
    use crate::workloads::Selectors;
    struct Fellows;
    impl Selectors for Fellows {
        fn of(&self, pod: &PodInfo) -> Vec<object::selector::LabelSelector> {
            object::selector::LabelSelector::parse(&format!("app={}", pod.object.label("app").unwrap_or_default())).into_iter().collect()
        }
    }
    let app = |name: &str| pod_with(name, json!({ "metadata": { "labels": { "app": "web" } } }));
    let constraint = json!({ "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule" });
    let args = json!([{ "name": "PodTopologySpread", "args": { "defaultingType": "List", "defaultConstraints": [constraint] } }]);
    let built = configured(json!([{ "pluginConfig": args }]), Vec::new());
    let (mut cluster, mut cycle) = (Cluster::default(), Cycle::default());
    for name in ["a", "b"] {
        cluster.set_node(node(name, json!({ "metadata": { "labels": { "zone": name } } })));
    }
    cluster.set_selectors(Arc::new(Fellows));
    for (name, expect) in [("1", None), ("2", Some(1))] {
        let pod = app(name);
        let at = cycle.find(&pod, &mut cluster, built.of(DEFAULT_NAME).unwrap(), &Nominated::default()).await.unwrap();
        assert!(expect.is_none_or(|expect| expect == at), "{name}");
        cluster.assume(pod, if expect.is_none() { 0 } else { at });
    }
}

//! World `cloud-provider`: `calls`, one after the other, each about the case's `service`, `nodes`, `node`, `route`, `providerID` or `name`.
//! Answers `answers`: for each call its name and what it gave.

use super::super::cases::Case;
use super::{object, objects};
use anyhow::{Context, Result, bail};
use interfaces::cloud::{CloudProvider, CloudRow, Error, InstanceMetadata, NodeAddress, Route, Zone};
use object::{Object, Value, json};
use serde_json::Map;
use std::sync::Arc;

/// All calls that a case can name.
const CALLS: [&str; 19] = [
    "providerName",
    "hasClusterID",
    "initialize",
    "getLoadBalancer",
    "getLoadBalancerName",
    "ensureLoadBalancer",
    "updateLoadBalancer",
    "deleteLoadBalancer",
    "instanceExists",
    "instanceShutdown",
    "instanceMetadata",
    "getZone",
    "getZoneByProviderID",
    "getZoneByNodeName",
    "listClusters",
    "master",
    "listRoutes",
    "createRoute",
    "deleteRoute",
];

/// What the calls of a case are about.
struct About {
    cluster: String,
    service: Option<Object>,
    nodes: Vec<Arc<Object>>,
    node: Option<Object>,
    route: Option<Route>,
    provider_id: String,
    name: String,
}

pub async fn ask(row: &CloudRow, case: &Case) -> Result<Map<String, Value>> {
    let text = |key: &str, default: &str| case.given.get(key).and_then(Value::as_str).unwrap_or(default).to_owned();
    let about = About {
        cluster: text("cluster", "kubernetes"),
        service: object(case, "service")?,
        nodes: objects(case, "nodes")?.into_iter().map(Arc::new).collect(),
        node: object(case, "node")?,
        route: case.given.get("route").map(|route| read_route(route).with_context(|| format!("{}: `route`", case.name))).transpose()?,
        provider_id: text("providerID", ""),
        name: text("name", ""),
    };
    let calls = case.given.get("calls").and_then(Value::as_array);
    let calls = calls.with_context(|| format!("{}: it has no list `calls`; there are {}", case.name, CALLS.join(", ")))?;
    let mut answers = Vec::new();
    for call in calls {
        let name = call.as_str().unwrap_or_default();
        let answer = match one(&*row.provider, name, &about).await.with_context(|| format!("{}: call {name:?}", case.name))? {
            Ok(value) => value,
            Err(Error::Retry { message, after }) => json!({"retry": message, "afterMilliseconds": after.as_millis()}),
            Err(error) => json!({"failed": error.to_string()}),
        };
        answers.push(json!({ name: answer }));
    }
    Ok(Map::from_iter([("answers".to_owned(), Value::Array(answers))]))
}

/// The inner error is the provider's.
async fn one(provider: &dyn CloudProvider, call: &str, about: &About) -> Result<Result<Value, Error>> {
    let cluster = about.cluster.as_str();
    let (service, node) =
        (|| about.service.as_ref().context("the case has no `service`"), || about.node.as_ref().context("the case has no `node`"));
    let route = || about.route.as_ref().context("the case has no `route`");
    let balancers = || provider.load_balancer().context("the component does not export coracle:plugin/load-balancer");
    let instances = || provider.instances().context("the component does not export coracle:plugin/instances");
    let zones = || provider.zones().context("the component does not export coracle:plugin/zones");
    let clusters = || provider.clusters().context("the component does not export coracle:plugin/clusters");
    let routes = || provider.routes().context("the component does not export coracle:plugin/routes");
    Ok(match call {
        "providerName" => Ok(json!(provider.provider_name())),
        "hasClusterID" => Ok(json!(provider.has_cluster_id())),
        "initialize" => provider.initialize().await.map(done),
        "getLoadBalancer" => {
            let status = balancers()?.get_load_balancer(cluster, service()?).await;
            status.map(|status| status.map_or_else(|| json!("none"), |status| json!(status.ingress)))
        }
        "getLoadBalancerName" => balancers()?.get_load_balancer_name(cluster, service()?).await.map(Value::String),
        "ensureLoadBalancer" => {
            balancers()?.ensure_load_balancer(cluster, service()?, &about.nodes).await.map(|status| json!(status.ingress))
        }
        "updateLoadBalancer" => balancers()?.update_load_balancer(cluster, service()?, &about.nodes).await.map(done),
        "deleteLoadBalancer" => balancers()?.ensure_load_balancer_deleted(cluster, service()?).await.map(done),
        "instanceExists" => instances()?.instance_exists(node()?).await.map(Value::Bool),
        "instanceShutdown" => instances()?.instance_shutdown(node()?).await.map(Value::Bool),
        "instanceMetadata" => {
            let metadata = instances()?.instance_metadata(node()?).await;
            metadata.map(|metadata| metadata.map_or_else(|| json!("none"), metadata_shown))
        }
        "getZone" => zones()?.get_zone().await.map(zone_shown),
        "getZoneByProviderID" => zones()?.get_zone_by_provider_id(&about.provider_id).await.map(zone_shown),
        "getZoneByNodeName" => zones()?.get_zone_by_node_name(&about.name).await.map(zone_shown),
        "listClusters" => clusters()?.list_clusters().await.map(|names| json!(names)),
        "master" => clusters()?.master(cluster).await.map(Value::String),
        "listRoutes" => routes()?.list_routes(cluster).await.map(|all| all.into_iter().map(route_shown).collect()),
        "createRoute" => routes()?.create_route(cluster, &about.name, route()?).await.map(done),
        "deleteRoute" => routes()?.delete_route(cluster, route()?).await.map(done),
        _ => bail!("there is no such call; there are {}", CALLS.join(", ")),
    })
}

fn done((): ()) -> Value {
    json!("done")
}

/// Without what says nothing.
fn said<const N: usize>(told: [(&str, Value); N]) -> Value {
    let empty = |value: &Value| match value {
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(flag) => !flag,
        _ => false,
    };
    Value::Object(told.into_iter().filter(|(_, value)| !empty(value)).map(|(key, value)| (key.to_owned(), value)).collect())
}

fn metadata_shown(metadata: InstanceMetadata) -> Value {
    said([
        ("providerID", json!(metadata.provider_id)),
        ("instanceType", json!(metadata.instance_type)),
        ("addresses", json!(metadata.node_addresses)),
        ("zone", json!(metadata.zone)),
        ("region", json!(metadata.region)),
        ("labels", json!(metadata.additional_labels)),
    ])
}

fn zone_shown(zone: Zone) -> Value {
    said([("failureDomain", json!(zone.failure_domain)), ("region", json!(zone.region))])
}

fn route_shown(route: Route) -> Value {
    said([
        ("name", json!(route.name)),
        ("node", json!(route.target_node)),
        ("addresses", if route.enable_node_addresses { json!(route.target_node_addresses) } else { json!([]) }),
        ("destination", json!(route.destination_cidr)),
        ("gateway", json!(route.gateway_address)),
        ("blackhole", json!(route.blackhole)),
    ])
}

fn read_route(value: &Value) -> Result<Route> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let addresses: Option<Vec<NodeAddress>> = value.get("addresses").map(|list| serde_json::from_value(list.clone())).transpose()?;
    Ok(Route {
        name: text("name"),
        target_node: text("node"),
        enable_node_addresses: addresses.is_some(),
        target_node_addresses: addresses.unwrap_or_default(),
        destination_cidr: text("destination"),
        gateway_address: text("gateway"),
        blackhole: value.get("blackhole").and_then(Value::as_bool).unwrap_or_default(),
    })
}

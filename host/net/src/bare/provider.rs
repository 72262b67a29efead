//! [`Bare`] as a cloud provider: load balancers and nothing else.

use super::allocate::{Claim, choose};
use super::{AddressPool, address_of, is_ours};
use async_trait::async_trait;
use client::{Cache, Client, gvr};
use interfaces::cloud::{CloudProvider, Error, Ingress, LoadBalancer, LoadBalancerStatus, default_load_balancer_name};
use object::Object;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

pub struct Bare {
    pool: AddressPool,
    services: Arc<Cache>,
    /// By the Service's UID, what the API may not show yet: an address given out, or (`None`) given back.
    recent: Mutex<HashMap<String, Option<Claim>>>,
}

impl Bare {
    /// The name for `--cloud-provider`.
    pub const NAME: &'static str = "bare";

    pub fn new(client: &Client, pool: AddressPool) -> Self {
        Self { pool, services: client.cache(&gvr::services()), recent: Mutex::default() }
    }

    /// The address for a Service, remembered until its status tells of it.
    fn allocate(&self, service: &Object, services: &[Arc<Object>]) -> Result<Ipv4Addr, Error> {
        let mut recent = self.recent.lock();
        recent.retain(|uid, _| services.iter().any(|s| s.uid() == uid));
        let claim = |other: &Object| match recent.get(other.uid()) {
            Some(known) => known.clone(),
            None if is_ours(other) => address_of(other, &self.pool).map(|address| Claim::new(other, address)),
            None => None,
        };
        let others: Vec<Claim> = services.iter().filter(|s| s.uid() != service.uid()).filter_map(|s| claim(s)).collect();
        let current = match recent.get(service.uid()) {
            Some(known) => known.as_ref().map(|c| c.address),
            None => address_of(service, &self.pool),
        };
        let address = choose(service, current, &self.pool, &others).map_err(|refusal| Error::Failed(refusal.to_string()))?;
        recent.insert(service.uid().to_owned(), Some(Claim::new(service, address)));
        Ok(address)
    }
}

impl fmt::Debug for Bare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bare").field("pool", &self.pool).finish_non_exhaustive()
    }
}

#[async_trait]
impl CloudProvider for Bare {
    /// Returns once all Services are known: before, an address might be given out twice. What an earlier term of this server
    /// remembered is void: another server may have led since.
    async fn initialize(&self) -> Result<(), Error> {
        self.recent.lock().clear();
        self.services.ready().await;
        Ok(())
    }

    fn provider_name(&self) -> String {
        Self::NAME.to_owned()
    }

    fn load_balancer(&self) -> Option<&dyn LoadBalancer> {
        Some(self)
    }
}

fn status(address: Ipv4Addr) -> LoadBalancerStatus {
    let ingress = Ingress { ip: address.to_string(), ip_mode: "VIP".to_owned(), ..Ingress::default() };
    LoadBalancerStatus { ingress: vec![ingress] }
}

#[async_trait]
impl LoadBalancer for Bare {
    async fn get_load_balancer(&self, _: &str, service: &Object) -> Result<Option<LoadBalancerStatus>, Error> {
        let recent = self.recent.lock().get(service.uid()).cloned();
        let address = match recent {
            Some(known) => known.map(|c| c.address),
            None => address_of(service, &self.pool),
        };
        Ok(address.map(status))
    }

    async fn get_load_balancer_name(&self, _: &str, service: &Object) -> Result<String, Error> {
        Ok(default_load_balancer_name(service))
    }

    /// The nodes do not matter: they elect among themselves who announces.
    async fn ensure_load_balancer(&self, _: &str, service: &Object, _: &[Arc<Object>]) -> Result<LoadBalancerStatus, Error> {
        self.allocate(service, &self.services.list("")).map(status)
    }

    async fn update_load_balancer(&self, _: &str, _: &Object, _: &[Arc<Object>]) -> Result<(), Error> {
        Ok(())
    }

    async fn ensure_load_balancer_deleted(&self, _: &str, service: &Object) -> Result<(), Error> {
        self.recent.lock().insert(service.uid().to_owned(), None);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::{Router, UserInfo};
    use object::{Value, json};

    fn service(name: &str, ingress: Option<&str>) -> Arc<Object> {
        let ingress = ingress.map_or(Value::Null, |ip| json!([{ "ip": ip }]));
        let root = json!({"metadata": {"name": name, "namespace": "d", "uid": format!("uid-{name}")},
            "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}, "status": {"loadBalancer": {"ingress": ingress}}});
        Arc::new(Object::from_value(root).unwrap())
    }

    fn bare(pool: &str) -> Bare {
        // Services are handed in; nobody answers requests.
        let nobody = tower::service_fn(|_: http::Request<bytes::Bytes>| {
            std::future::pending::<Result<http::Response<http_body_util::Full<bytes::Bytes>>, std::io::Error>>()
        });
        let client = Client::in_process(Router::new(nobody), registry::Registry::builtin(), UserInfo::component("system:test", &[]));
        Bare::new(&client, pool.parse().unwrap())
    }

    #[tokio::test]
    async fn no_address_is_given_out_twice_and_statuses_count() {
        let bare = bare("192.0.2.1-192.0.2.3");
        // After a restart: what the statuses say stays, in whatever order Services come.
        let all = [service("a", None), service("b", Some("192.0.2.1")), service("c", None), service("d", None)];
        let give = |name: usize| bare.allocate(&all[name], &all).map(|a| a.to_string()).map_err(|e| e.to_string());
        assert_eq!(give(0), Ok("192.0.2.2".into()));
        assert_eq!(give(1), Ok("192.0.2.1".into()));
        assert_eq!(give(0), Ok("192.0.2.2".into()), "though its status does not say so yet");
        assert_eq!(give(2), Ok("192.0.2.3".into()));
        assert_eq!(give(3), Err("no address is left in the pool 192.0.2.1-192.0.2.3".into()));
        assert!(bare.get_load_balancer("", &all[3]).await.unwrap().is_none());
        // Given back, though the API still shows it.
        bare.ensure_load_balancer_deleted("", &all[1]).await.unwrap();
        assert!(bare.get_load_balancer("", &all[1]).await.unwrap().is_none());
        assert_eq!(give(3), Ok("192.0.2.1".into()));
        // What is gone from the API is gone.
        let left = &all[1..];
        assert_eq!(bare.allocate(&service("e", None), left).map(|a| a.to_string()), Ok("192.0.2.2".into()));
    }
}

//! Flags of the cloud provider.

use anyhow::{Result, anyhow, bail};
use clap::Args;
use net::bare::{AddressPool, Bare};

#[derive(Args, Clone, Debug)]
pub struct CloudArgs {
    /// Who makes load balancers and knows the machines: none, bare (addresses of --load-balancer-pool, announced by the nodes), or the
    /// name of a WasmPlugin of world cloud-provider, which new nodes then wait for [default: bare when there is a pool, else none]
    #[arg(long, value_name = "NAME", help_heading = "Cloud")]
    cloud_provider: Option<String>,

    /// Addresses for LoadBalancer Services: 192.0.2.0/28, 192.0.2.10-192.0.2.20 or 192.0.2.9 (may be repeated or comma-separated)
    #[arg(long, value_name = "RANGE", value_delimiter = ',', help_heading = "Cloud")]
    load_balancer_pool: Vec<String>,

    /// Interface that addresses of load balancers are put on [default: the one with the node's address, else the bridge]
    #[arg(long, value_name = "NAME", help_heading = "Cloud")]
    pub load_balancer_interface: Option<String>,
}

/// What `--cloud-provider` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloudProvider {
    None,
    Bare(AddressPool),
    /// The plugin of this name.
    Plugin(String),
}

impl CloudProvider {
    /// Whether new nodes wait for a cloud to tell of them.
    pub fn is_external(&self) -> bool {
        matches!(self, Self::Plugin(_))
    }
}

impl CloudArgs {
    pub fn provider(&self) -> Result<CloudProvider> {
        let pool = AddressPool::of(&self.load_balancer_pool).map_err(|cause| anyhow!("--load-balancer-pool: {cause}"))?;
        match self.cloud_provider.as_deref() {
            None if !pool.is_empty() => Ok(CloudProvider::Bare(pool)),
            Some(Bare::NAME) if pool.is_empty() => bail!("--cloud-provider=bare needs addresses: --load-balancer-pool"),
            Some(Bare::NAME) => Ok(CloudProvider::Bare(pool)),
            Some(_) if !pool.is_empty() => bail!("--load-balancer-pool is for --cloud-provider=bare only"),
            None | Some("" | "none") => Ok(CloudProvider::None),
            Some(plugin) => {
                if let Some(reason) = object::names::dns1123_subdomain(plugin).first() {
                    bail!("--cloud-provider {plugin:?} is neither none nor bare nor the name of a WasmPlugin: {reason}");
                }
                Ok(CloudProvider::Plugin(plugin.to_owned()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_are_chosen() {
        let check = |name: Option<&str>, pool: &[&str], expect: Result<&str, &str>| {
            let args = CloudArgs {
                cloud_provider: name.map(str::to_owned),
                load_balancer_pool: pool.iter().map(|p| (*p).to_owned()).collect(),
                load_balancer_interface: None,
            };
            let told = args.provider().map(|provider| match provider {
                CloudProvider::None => "none".to_owned(),
                CloudProvider::Bare(pool) => format!("bare {pool}"),
                CloudProvider::Plugin(name) => format!("plugin {name}"),
            });
            match (told, expect) {
                (Ok(told), Ok(expect)) => assert_eq!(told, expect),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (told, expect) => panic!("{name:?} {pool:?}: {told:?} instead of {expect:?}"),
            }
        };
        check(None, &[], Ok("none"));
        check(Some("none"), &[], Ok("none"));
        check(None, &["192.0.2.1"], Ok("bare 192.0.2.1"));
        check(Some("bare"), &["192.0.2.0/31", "192.0.2.9"], Ok("bare 192.0.2.0-192.0.2.1,192.0.2.9"));
        check(Some("bare"), &[], Err("needs addresses"));
        check(Some("none"), &["192.0.2.1"], Err("for --cloud-provider=bare only"));
        check(None, &["x"], Err("--load-balancer-pool: \"x\" is no range"));
        check(Some("simulated"), &[], Ok("plugin simulated"));
        check(Some("Not_A_Name"), &[], Err("neither none nor bare"));
    }
}

//! A scheduler plugin: prefers nodes that have a pod's images, and next to them nodes in a zone where others have them, from
//! which a registry mirror or a peer serves them.

mod images;

use coracle_plugin::config;
use coracle_plugin::scheduler::{Pod, Score};
use images::{Images, Settings, Wanted};

struct ImageLocality(Wanted);

coracle_plugin::scheduler!(nodes: Images, score: ImageLocality);

impl Score<Images> for ImageLocality {
    fn of(pod: &Pod) -> Result<Option<Self>, String> {
        let settings: Settings = config::read()?;
        let wanted = Wanted::new(&settings, &pod.images);
        // Nobody has any of it: all nodes are alike.
        Ok(wanted.anywhere().then_some(Self(wanted)))
    }

    fn score(&self, node: &Images) -> u8 {
        self.0.score(node)
    }
}

//! Which nodes have which images, and what that is worth.
//!
//! As upstream's ImageLocality (`pkg/scheduler/framework/plugins/imagelocality`), an image counts by its size, scaled by the part
//! of the nodes that have it, so that a rare image does not draw all its pods to one node. Beyond it, an image that is not on
//! a node but in its zone counts a part of that.

use coracle_plugin::scheduler::{Node, Row, value};
use serde::Deserialize;
use std::cell::RefCell;
use std::collections::BTreeMap;

const ZONE: &str = "topology.kubernetes.io/zone";

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Settings {
    /// Less than this on a node is not worth a preference.
    min_mib: u32,
    /// More than this, per container, makes no difference.
    max_mib: u32,
    /// What an image in the zone is worth, in hundredths of one on the node.
    zone_percent: u8,
}

impl Default for Settings {
    /// Upstream's bounds: nine in ten images are within.
    fn default() -> Self {
        Self { min_mib: 23, max_mib: 1000, zone_percent: 25 }
    }
}

/// How many nodes there are, and how many of them have an image: in all, and by zone.
#[derive(Default)]
struct Counts {
    nodes: usize,
    images: BTreeMap<String, Count>,
}

#[derive(Default)]
struct Count {
    nodes: usize,
    zones: BTreeMap<String, usize>,
    /// Bytes, as a node told last.
    size: i64,
}

thread_local! {
    static COUNTS: RefCell<Counts> = RefCell::default();
}

/// What is kept of a node. It is counted while it is there.
pub struct Images {
    zone: String,
    names: Vec<String>,
}

impl Row for Images {
    fn new(node: Node) -> Self {
        let zone = value(&node.labels, ZONE).unwrap_or_default().to_owned();
        Self::counted(zone, node.images.into_iter().map(|image| (image.name, image.size)).collect())
    }
}

impl Images {
    fn counted(zone: String, images: Vec<(String, i64)>) -> Self {
        COUNTS.with_borrow_mut(|counts| {
            counts.nodes += 1;
            for (name, size) in &images {
                let count = counts.images.entry(name.clone()).or_default();
                count.nodes += 1;
                count.size = *size;
                *count.zones.entry(zone.clone()).or_default() += 1;
            }
        });
        let mut names: Vec<String> = images.into_iter().map(|(name, _)| name).collect();
        names.sort();
        Self { zone, names }
    }
}

impl Drop for Images {
    fn drop(&mut self) {
        COUNTS.with_borrow_mut(|counts| {
            counts.nodes -= 1;
            for name in &self.names {
                let Some(count) = counts.images.get_mut(name) else { continue };
                count.nodes -= 1;
                if let Some(zone) = count.zones.get_mut(&self.zone) {
                    *zone -= 1;
                }
                count.zones.retain(|_, nodes| *nodes > 0);
                if count.nodes == 0 {
                    counts.images.remove(name);
                }
            }
        });
    }
}

/// A pod's images, and what each is worth.
pub struct Wanted {
    images: Vec<Image>,
    zone_percent: i64,
    least: i64,
    most: i64,
}

struct Image {
    /// As a node may call it.
    names: [String; 2],
    /// Bytes, scaled by the part of the nodes that have it.
    worth: i64,
    zones: Vec<String>,
}

impl Wanted {
    /// `images` as the containers name them, one per container.
    pub fn new(settings: &Settings, images: &[String]) -> Self {
        let (least, most) = (i64::from(settings.min_mib) << 20, i64::from(settings.max_mib) << 20);
        let found = COUNTS.with_borrow(|counts| images.iter().filter_map(|image| counts.find(image)).collect());
        let containers = i64::try_from(images.len()).unwrap_or(1).max(1);
        Self { images: found, zone_percent: i64::from(settings.zone_percent.min(100)), least, most: (most * containers).max(least + 1) }
    }

    pub fn anywhere(&self) -> bool {
        !self.images.is_empty()
    }

    /// 0 to 100.
    pub fn score(&self, node: &Images) -> u8 {
        let worth = |image: &Image| {
            if image.names.iter().any(|name| node.names.binary_search(name).is_ok()) {
                image.worth
            } else if !node.zone.is_empty() && image.zones.contains(&node.zone) {
                image.worth * self.zone_percent / 100
            } else {
                0
            }
        };
        let sum: i64 = self.images.iter().map(worth).sum();
        let part = (sum.clamp(self.least, self.most) - self.least) * 100 / (self.most - self.least);
        u8::try_from(part).unwrap_or(100)
    }
}

impl Counts {
    fn find(&self, image: &str) -> Option<Image> {
        let names = names(image);
        let count = names.iter().find_map(|name| self.images.get(name))?;
        let (nodes, all) = (i64::try_from(count.nodes).ok()?, i64::try_from(self.nodes.max(1)).ok()?);
        let worth = i64::try_from(i128::from(count.size) * i128::from(nodes) / i128::from(all)).ok()?;
        Some(Image { names, worth, zones: count.zones.keys().cloned().collect() })
    }
}

/// With the tag that is meant when there is none; as it is written, and as a runtime completes it.
fn names(image: &str) -> [String; 2] {
    let name = image.rsplit_once('/').map_or(image, |(_, name)| name);
    let tagged = if name.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") };
    let whole = match tagged.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => tagged.clone(),
        Some(_) => format!("docker.io/{tagged}"),
        None => format!("docker.io/library/{tagged}"),
    };
    [tagged, whole]
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: i64 = 1 << 20;

    /// The scores of nodes, each given by its zone and its images with their sizes in MiB.
    fn check(nodes: &[(&str, &[(&str, i64)])], images: &[&str], expect: &[u8]) {
        let rows: Vec<Images> = nodes
            .iter()
            .map(|(zone, images)| {
                let images = images.iter().map(|(name, size)| ((*name).to_owned(), size * MIB)).collect();
                Images::counted((*zone).to_owned(), images)
            })
            .collect();
        let images: Vec<String> = images.iter().map(|image| (*image).to_owned()).collect();
        let wanted = Wanted::new(&Settings::default(), &images);
        let scores: Vec<u8> = rows.iter().map(|row| wanted.score(row)).collect();
        assert_eq!(scores, expect, "{images:?} on {nodes:?}");
        drop(rows);
        COUNTS.with_borrow(|counts| assert!(counts.nodes == 0 && counts.images.is_empty(), "what goes is counted out"));
    }

    #[test]
    fn nodes_with_the_image_are_preferred_by_its_size_and_spread() {
        let app: &[(&str, i64)] = &[("docker.io/library/app:v1", 1000)];
        check(&[("", app), ("", app)], &["app:v1"], &[100, 100]);
        check(&[("", app), ("", &[])], &["app:v1"], &[48, 0]);
        check(&[("", app), ("", &[]), ("", &[]), ("", &[])], &["docker.io/library/app:v1"], &[23, 0, 0, 0]);
        // Too small to matter, unknown, of another tag.
        check(&[("", &[("app:latest", 20)])], &["app"], &[0]);
        check(&[("", app)], &["other"], &[0]);
        check(&[("", app)], &["app:v2"], &[0]);
        // The bound is for each container.
        check(&[("", app)], &["app:v1", "other"], &[49]);
    }

    #[test]
    fn neighbours_of_a_node_with_the_image_are_preferred_to_strangers() {
        let app: &[(&str, i64)] = &[("app:latest", 1000)];
        check(&[("a", app), ("a", &[]), ("b", &[]), ("", &[])], &["app"], &[23, 4, 0, 0]);
    }

    #[test]
    fn names_are_completed() {
        for (image, expect) in [
            ("app", ["app:latest", "docker.io/library/app:latest"]),
            ("team/app:v1", ["team/app:v1", "docker.io/team/app:v1"]),
            ("ghcr.io/app", ["ghcr.io/app:latest", "ghcr.io/app:latest"]),
            ("registry:5000/app@sha256:ab", ["registry:5000/app@sha256:ab", "registry:5000/app@sha256:ab"]),
        ] {
            assert_eq!(names(image), expect.map(str::to_owned));
        }
    }
}

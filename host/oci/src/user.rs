//! Who a container runs as: ids of the pod's security context, or names of the image looked up in the image's own files.

use crate::rootfs::Root;
use interfaces::workload::{Error, Security};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    /// `/` for one the image does not know.
    pub(crate) home: String,
}

/// The image's `/etc/passwd` and `/etc/group`.
#[derive(Default)]
pub(crate) struct Database {
    passwd: String,
    group: String,
}

impl Database {
    pub(crate) fn read(root: &Root) -> std::io::Result<Self> {
        Ok(Self { passwd: root.read("etc/passwd")?, group: root.read("etc/group")? })
    }

    /// `name:password:uid:gid:comment:home:shell` as name, uid, gid, home.
    fn users(&self) -> impl Iterator<Item = (&str, u32, u32, &str)> {
        self.passwd.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let (name, uid, gid) = (fields.next()?, fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
            let home = fields.nth(1).filter(|home| !home.is_empty()).unwrap_or("/");
            Some((name, uid, gid, home))
        })
    }

    /// `name:password:gid:member,member` as name, gid, members.
    fn groups(&self) -> impl Iterator<Item = (&str, u32, &str)> {
        self.group.lines().filter_map(|line| {
            let mut fields = line.split(':');
            Some((fields.next()?, fields.nth(1)?.parse().ok()?, fields.next().unwrap_or_default()))
        })
    }
}

/// `owner` names the container in messages (`pod: "…", container: …`), as the kubelet does.
///
/// # Errors
/// `Create`: `runAsNonRoot` is not kept, or the image's user is not in its files.
pub(crate) fn resolve(security: &Security, database: &Database, owner: &str) -> Result<User, Error> {
    let create = |message: String| Error::Create { message };
    let (name, group) = match security.image_user.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (security.image_user.as_str(), None),
    };
    if security.run_as_non_root {
        let refused = match security.run_as_user {
            Some(0) => Some("container's runAsUser breaks non-root policy".to_owned()),
            Some(_) => None,
            None => match name.parse::<u32>() {
                Ok(0) => Some("container has runAsNonRoot and image will run as root".to_owned()),
                Ok(_) => None,
                Err(_) if name.is_empty() => Some("container has runAsNonRoot and image will run as root".to_owned()),
                Err(_) => {
                    Some(format!("container has runAsNonRoot and image has non-numeric user ({name}), cannot verify user is non-root"))
                }
            },
        };
        if let Some(refused) = refused {
            return Err(create(format!("{refused} ({owner})")));
        }
    }

    let by_id = |uid: u32| database.users().find(|(_, id, ..)| *id == uid);
    let found = match (security.run_as_user, name.parse::<u32>()) {
        (Some(uid), _) => by_id(uid).or(Some(("", uid, 0, "/"))),
        (None, Ok(uid)) => by_id(uid).or(Some(("", uid, 0, "/"))),
        (None, Err(_)) if name.is_empty() => by_id(0).or(Some(("root", 0, 0, "/root"))),
        (None, Err(_)) => database.users().find(|(user, ..)| *user == name),
    };
    let (name, uid, mut gid, home) =
        found.ok_or_else(|| create(format!("unable to find user {name}: no matching entries in passwd file")))?;
    if let Some(group) = security.run_as_group {
        gid = group;
    } else if let (Some(group), None) = (group, security.run_as_user) {
        gid = match group.parse() {
            Ok(gid) => gid,
            Err(_) => database
                .groups()
                .find(|(known, _, _)| *known == group)
                .map(|(_, gid, _)| gid)
                .ok_or_else(|| create(format!("unable to find group {group}: no matching entries in group file")))?,
        };
    }
    // As containerd: the groups the image's files give the user, and the primary one, come along.
    let mut groups = vec![gid];
    if !name.is_empty() {
        groups.extend(database.groups().filter(|(_, _, members)| members.split(',').any(|m| m == name)).map(|(_, gid, _)| gid));
    }
    groups.extend(&security.supplemental_groups);
    let mut seen = std::collections::HashSet::new();
    groups.retain(|gid| seen.insert(*gid));
    Ok(User { uid, gid, groups, home: home.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users() {
        let database = Database {
            passwd: "root:x:0:0:root:/root:/bin/sh\nweb:x:101:102::/:/bin/false\nbroken\n".to_owned(),
            group: "root:x:0:\nweb:x:102:\nlog:x:7:web,other\n".to_owned(),
        };
        let check = |security: Security, expect: Result<(u32, u32, &[u32]), &str>| {
            let got = resolve(&security, &database, "pod: \"p_ns(u)\", container: c")
                .map(|user| (user.uid, user.gid, user.groups))
                .map_err(|e| e.to_string());
            let expect =
                expect.map(|(uid, gid, groups)| (uid, gid, groups.to_vec())).map_err(|e| format!("{e} (pod: \"p_ns(u)\", container: c)"));
            match (&got, &expect) {
                (Err(got), Err(expect)) if got == expect || expect.starts_with(got.as_str()) => {}
                _ => assert_eq!(got, expect),
            }
        };
        let image = |user: &str| Security { image_user: user.to_owned(), ..Default::default() };
        check(image(""), Ok((0, 0, &[0])));
        check(image("web"), Ok((101, 102, &[102, 7])));
        check(image("web:root"), Ok((101, 0, &[0, 7])));
        check(image("101"), Ok((101, 102, &[102, 7])));
        check(image("5000"), Ok((5000, 0, &[0])));
        check(image("5000:6000"), Ok((5000, 6000, &[6000])));
        check(image("nobody"), Err("unable to find user nobody: no matching entries in passwd file"));
        check(image("web:nogroup"), Err("unable to find group nogroup: no matching entries in group file"));
        check(Security { run_as_user: Some(1000), supplemental_groups: vec![2000, 0], ..image("web:log") }, Ok((1000, 0, &[0, 2000])));
        check(Security { run_as_user: Some(1000), run_as_group: Some(3000), ..Default::default() }, Ok((1000, 3000, &[3000])));
        let non_root = |user: &str| Security { run_as_non_root: true, ..image(user) };
        check(non_root(""), Err("container has runAsNonRoot and image will run as root"));
        check(non_root("0"), Err("container has runAsNonRoot and image will run as root"));
        check(non_root("web"), Err("container has runAsNonRoot and image has non-numeric user (web), cannot verify user is non-root"));
        check(non_root("101"), Ok((101, 102, &[102, 7])));
        check(Security { run_as_user: Some(0), ..non_root("101") }, Err("container's runAsUser breaks non-root policy"));
    }
}

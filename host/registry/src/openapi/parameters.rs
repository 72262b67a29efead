//! Query parameters of the API, in groups as operations take them (`metav1.ListOptions` and its siblings,
//! `core/v1 PodLogOptions` and its siblings).

/// Name, JSON type, description.
pub(super) type Parameter = (&'static str, &'static str, &'static str);

pub(super) const PRETTY: Parameter = ("pretty", "string", "Indent the answer when \"true\".");
pub(super) const NAME: Parameter = ("name", "string", "Name of the object.");
pub(super) const NAMESPACE: Parameter = ("namespace", "string", "Namespace of the object.");
pub(super) const PATH: Parameter = ("path", "string", "Path that the request is passed on to.");

const DRY_RUN: Parameter = ("dryRun", "string", "\"All\": carry out every step but the last, and store nothing.");
const MANAGER: Parameter = ("fieldManager", "string", "Who makes this change, as field ownership records it; at most 128 characters.");
const VALIDATION: Parameter = ("fieldValidation", "string", "What unknown and duplicate fields mean: Ignore, Warn (default) or Strict.");
const FORCE: Parameter = ("force", "boolean", "Take fields over from other managers. Only for apply.");

pub(super) const WRITE: &[Parameter] = &[DRY_RUN, MANAGER, VALIDATION];
pub(super) const PATCH: &[Parameter] = &[DRY_RUN, MANAGER, VALIDATION, FORCE];

const CONTINUE: Parameter = ("continue", "string", "Where the list goes on: the token of the page before.");
const FIELDS: Parameter = ("fieldSelector", "string", "Only objects whose fields are so.");
const LABELS: Parameter = ("labelSelector", "string", "Only objects whose labels are so.");
const LIMIT: Parameter = ("limit", "integer", "Objects of one page; the answer tells how to go on.");
const VERSION: Parameter = ("resourceVersion", "string", "State that the answer is based on; resourceVersionMatch tells how.");
const MATCH: Parameter = ("resourceVersionMatch", "string", "NotOlderThan or Exact.");
const INITIAL: Parameter =
    ("sendInitialEvents", "boolean", "Begin a watch with all objects as ADDED, then a bookmark that tells their end.");
const TIMEOUT: Parameter = ("timeoutSeconds", "integer", "When the request ends, whatever it has told by then.");

pub(super) const LIST: &[Parameter] = &[
    ("allowWatchBookmarks", "boolean", "Tell now and then how far the watch has come."),
    CONTINUE,
    FIELDS,
    LABELS,
    LIMIT,
    VERSION,
    MATCH,
    INITIAL,
    TIMEOUT,
    ("watch", "boolean", "Stream changes instead of a list."),
];
/// Which objects a delete of many is about.
pub(super) const LIST_TO_DELETE: &[Parameter] = &[CONTINUE, FIELDS, LABELS, LIMIT, VERSION, MATCH, INITIAL, TIMEOUT];

pub(super) const DELETE: &[Parameter] = &[
    DRY_RUN,
    ("gracePeriodSeconds", "integer", "How long the object may take to end; 0 is at once."),
    ("orphanDependents", "boolean", "Deprecated: use propagationPolicy."),
    ("propagationPolicy", "string", "What becomes of dependents: Orphan, Background or Foreground."),
];

const CONTAINER: Parameter = ("container", "string", "Container of the pod; its only one when left out.");

pub(super) const LOG: &[Parameter] = &[
    CONTAINER,
    ("follow", "boolean", "Go on with what is written from now on."),
    ("insecureSkipTLSVerifyBackend", "boolean", "Do not verify the certificate of the node."),
    ("limitBytes", "integer", "Bytes to send at most."),
    ("previous", "boolean", "The log of the container before its last restart."),
    ("sinceSeconds", "integer", "Only what is younger than this."),
    ("stream", "string", "All, Stdout or Stderr."),
    ("tailLines", "integer", "Lines from the end."),
    ("timestamps", "boolean", "Begin each line with the time at which it was written."),
];

const STDERR: Parameter = ("stderr", "boolean", "Send what the container writes to its standard error.");
const STDIN: Parameter = ("stdin", "boolean", "Take input for the container.");
const STDOUT: Parameter = ("stdout", "boolean", "Send what the container writes to its standard output.");
const TTY: Parameter = ("tty", "boolean", "Run it on a terminal.");

/// By the options kind of a subresource.
pub(super) fn connect(options: &str) -> &'static [Parameter] {
    match options {
        "PodExecOptions" => &[("command", "string", "Command and arguments; not run by a shell."), CONTAINER, STDERR, STDIN, STDOUT, TTY],
        "PodAttachOptions" => &[CONTAINER, STDERR, STDIN, STDOUT, TTY],
        "PodPortForwardOptions" => &[("ports", "integer", "Ports of the pod.")],
        _ => &[PATH],
    }
}

"""The official Python client against the cluster of $KUBECONFIG, in the namespace of argv[1]."""

import sys

from kubernetes import client, config, dynamic, watch
from kubernetes.client.rest import ApiException

namespace = sys.argv[1]
config.load_kube_config()
api = client.ApiClient()
core, apps, custom = client.CoreV1Api(), client.AppsV1Api(), client.CustomObjectsApi()
extensions, authorization = client.ApiextensionsV1Api(), client.AuthorizationV1Api()
checks = 0


def check(is_so, told):
    global checks
    assert is_so, told
    checks += 1


def refused(code, reason, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except ApiException as error:
        check(error.status == code and reason in error.body, f"{error.status} {error.body}")
        return
    raise AssertionError(f"{call.__name__} should have been refused with {code} {reason}")


def config_maps():
    body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="one", labels={"app": "py"}), data={"key": "1"})
    made = core.create_namespaced_config_map(namespace, body)
    check(made.metadata.uid and made.metadata.creation_timestamp.tzinfo, made)
    refused(409, "AlreadyExists", core.create_namespaced_config_map, namespace, body)
    made.data["key"] = "2"
    changed = core.replace_namespaced_config_map("one", namespace, made)
    check(changed.metadata.resource_version != made.metadata.resource_version, changed)
    refused(409, "Conflict", core.replace_namespaced_config_map, "one", namespace, made)
    patched = core.patch_namespaced_config_map("one", namespace, {"data": {"more": "3", "key": None}})
    check(patched.data == {"more": "3"}, patched.data)
    patched = core.patch_namespaced_config_map("one", namespace, [{"op": "add", "path": "/data/json", "value": "4"}])
    check(patched.data["json"] == "4", patched.data)
    refused(404, "NotFound", core.read_namespaced_config_map, "none", namespace)
    bad = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="Bad_Name"))
    refused(422, "FieldValueInvalid", core.create_namespaced_config_map, namespace, bad)
    for name in "abcde":
        core.create_namespaced_config_map(namespace, client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, labels={"p": "x"})))
    names, token = [], None
    while True:
        page = core.list_namespaced_config_map(namespace, limit=2, label_selector="p=x", _continue=token)
        names += [item.metadata.name for item in page.items]
        token = page.metadata._continue
        if not token:
            break
    check(names == list("abcde"), names)
    core.delete_collection_namespaced_config_map(namespace, label_selector="p in (x)")
    left = core.list_namespaced_config_map(namespace, label_selector="p", field_selector="metadata.name!=one")
    check(left.items == [], left)


def watches():
    start = core.list_namespaced_secret(namespace).metadata.resource_version
    body = client.V1Secret(metadata=client.V1ObjectMeta(name="s"), string_data={"a": "b"})
    made = core.create_namespaced_secret(namespace, body)
    check(made.data == {"a": "Yg=="} and made.type == "Opaque" and made.string_data is None, made)
    core.delete_namespaced_secret("s", namespace)
    told = []
    for event in watch.Watch().stream(core.list_namespaced_secret, namespace, resource_version=start, timeout_seconds=30):
        told.append((event["type"], event["object"].metadata.name))
        if event["type"] == "DELETED":
            break
    check(told == [("ADDED", "s"), ("DELETED", "s")], told)


def workloads():
    container = client.V1Container(name="c", image="none.invalid/x", ports=[client.V1ContainerPort(container_port=80)])
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels={"app": "web"}), spec=client.V1PodSpec(containers=[container])
    )
    spec = client.V1DeploymentSpec(replicas=0, selector=client.V1LabelSelector(match_labels={"app": "web"}), template=template)
    body = client.V1Deployment(metadata=client.V1ObjectMeta(name="web"), spec=spec)
    made = apps.create_namespaced_deployment(namespace, body)
    check(made.spec.strategy.rolling_update.max_surge == "25%" and made.spec.replicas == 0, made.spec)
    scale = apps.read_namespaced_deployment_scale("web", namespace)
    check(scale.spec.replicas == 0 and scale.status.selector == "app=web", scale)
    service = client.V1Service(
        metadata=client.V1ObjectMeta(name="web"),
        spec=client.V1ServiceSpec(selector={"app": "web"}, ports=[client.V1ServicePort(port=80, target_port="http")]),
    )
    check(core.create_namespaced_service(namespace, service).spec.cluster_ip, "a service has an address")
    apps.delete_namespaced_deployment("web", namespace, propagation_policy="Foreground")
    job = client.V1Job(
        metadata=client.V1ObjectMeta(name="job"),
        spec=client.V1JobSpec(
            suspend=True,
            template=client.V1PodTemplateSpec(spec=client.V1PodSpec(containers=[container], restart_policy="Never")),
        ),
    )
    made = client.BatchV1Api().create_namespaced_job(namespace, job)
    check(made.spec.completion_mode == "NonIndexed" and made.spec.backoff_limit == 6, made.spec)
    client.BatchV1Api().delete_namespaced_job("job", namespace, propagation_policy="Background")


def custom_resources():
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer", "minimum": 1}}}}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "kites.py.example.com"},
        "spec": {
            "group": "py.example.com",
            "scope": "Namespaced",
            "names": {"plural": "kites", "kind": "Kite"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    extensions.create_custom_resource_definition(definition)
    for event in watch.Watch().stream(extensions.list_custom_resource_definition, timeout_seconds=30):
        conditions = event["object"].status.conditions or [] if event["object"].status else []
        if event["object"].metadata.name == "kites.py.example.com" and any(c.type == "Established" and c.status == "True" for c in conditions):
            break
    kites = dynamic.DynamicClient(api).resources.get(api_version="py.example.com/v1", kind="Kite")
    kite = {"apiVersion": "py.example.com/v1", "kind": "Kite", "metadata": {"name": "k"}, "spec": {"size": 2, "pruned": 1}}
    # Nobody can own what the schema does not have; a create drops it.
    try:
        kites.server_side_apply(body=kite, namespace=namespace, field_manager="py", field_validation="Ignore")
        check(False, "an unknown field was applied")
    except Exception as error:
        check(".spec.pruned: field not declared in schema" in str(error.body), error)
    made = kites.create(body=kite, namespace=namespace, field_validation="Ignore")
    check(made.spec.to_dict() == {"size": 2}, made)
    kite["spec"] = {"size": 0}
    refused(422, "should be greater than or equal to 1", kites.patch, body=kite, namespace=namespace, content_type="application/merge-patch+json")
    listed = custom.list_namespaced_custom_object("py.example.com", "v1", namespace, "kites")
    check([k["metadata"]["name"] for k in listed["items"]] == ["k"], listed)
    extensions.delete_custom_resource_definition("kites.py.example.com")


def discovery():
    check(client.VersionApi().get_code().minor.startswith("37"), "the version is told")
    groups = {group.name for group in client.ApisApi().get_api_versions().groups}
    check({"apps", "batch", "rbac.authorization.k8s.io", "storage.k8s.io"} <= groups, groups)
    review = client.V1SelfSubjectAccessReview(
        spec=client.V1SelfSubjectAccessReviewSpec(resource_attributes=client.V1ResourceAttributes(verb="list", resource="pods"))
    )
    check(authorization.create_self_subject_access_review(review).status.allowed, "the administrator may list pods")


for part in (config_maps, watches, workloads, custom_resources, discovery):
    part()
print(f"passed {checks} checks")

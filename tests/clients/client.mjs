// The official JavaScript client against the cluster of $KUBECONFIG, in the namespace of argv[2].

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const k8s = createRequire(process.env.CLIENT_MODULES + '/')('@kubernetes/client-node');
const namespace = process.argv[2];
const kubeconfig = new k8s.KubeConfig();
kubeconfig.loadFromDefault();
const core = kubeconfig.makeApiClient(k8s.CoreV1Api);
const apps = kubeconfig.makeApiClient(k8s.AppsV1Api);
const networking = kubeconfig.makeApiClient(k8s.NetworkingV1Api);
const objects = k8s.KubernetesObjectApi.makeApiClient(kubeconfig);
let checks = 0;

function check(isSo, told) {
  assert.ok(isSo, typeof told === 'string' ? told : JSON.stringify(told));
  checks += 1;
}

async function refused(code, reason, promise) {
  const error = await promise.then(() => null, (error) => error);
  check(error && error.code === code && JSON.stringify(error.body).includes(reason), `${code} ${reason}: ${error?.code} ${error?.body}`);
}

async function configMaps() {
  const body = { metadata: { name: 'one' }, data: { key: '1' } };
  const made = await core.createNamespacedConfigMap({ namespace, body });
  check(made.metadata.uid && made.metadata.creationTimestamp instanceof Date, made);
  await refused(409, 'AlreadyExists', core.createNamespacedConfigMap({ namespace, body }));
  made.data.key = '2';
  const changed = await core.replaceNamespacedConfigMap({ namespace, name: 'one', body: made });
  check(changed.metadata.resourceVersion !== made.metadata.resourceVersion, changed);
  await refused(409, 'Conflict', core.replaceNamespacedConfigMap({ namespace, name: 'one', body: made }));
  const patch = [{ op: 'replace', path: '/data/key', value: '3' }];
  const patched = await core.patchNamespacedConfigMap({ namespace, name: 'one', body: patch });
  check(patched.data.key === '3', patched);
  await refused(404, 'NotFound', core.readNamespacedConfigMap({ namespace, name: 'none' }));
  await refused(422, 'FieldValueInvalid', core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'Bad_Name' } } }));
}

async function applied() {
  const ingress = {
    apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { name: 'front', namespace },
    spec: { rules: [{ host: 'a.example', http: { paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 's', port: { number: 80 } } } }] } }] },
  };
  const made = await objects.patch(ingress, undefined, undefined, 'js', true, k8s.PatchStrategy.ServerSideApply);
  check(made.metadata.managedFields.some((entry) => entry.manager === 'js' && entry.operation === 'Apply'), made);
  const listed = await networking.listNamespacedIngress({ namespace });
  check(listed.items.length === 1 && listed.items[0].spec.rules[0].host === 'a.example', listed);
  await refused(422, 'spec.rules[0].host', objects.create({ ...ingress, metadata: { name: 'bad', namespace }, spec: { rules: [{ host: 'A_B' }] } }));
}

async function informer() {
  const list = () => core.listNamespacedSecret({ namespace });
  const informer = k8s.makeInformer(kubeconfig, `/api/v1/namespaces/${namespace}/secrets`, list);
  const told = [];
  const done = new Promise((resolve, reject) => {
    informer.on('add', (secret) => told.push(`add ${secret.metadata.name}`));
    informer.on('update', (secret) => told.push(`update ${secret.metadata.name}`));
    informer.on('delete', (secret) => {
      told.push(`delete ${secret.metadata.name}`);
      resolve();
    });
    informer.on('error', reject);
  });
  await informer.start();
  await core.createNamespacedSecret({ namespace, body: { metadata: { name: 's' }, stringData: { a: 'b' } } });
  await core.patchNamespacedSecret({ namespace, name: 's', body: [{ op: 'add', path: '/metadata/labels', value: { a: 'b' } }] });
  await core.deleteNamespacedSecret({ namespace, name: 's' });
  await done;
  await informer.stop();
  check(told.join() === 'add s,update s,delete s', told);
}

async function workloads() {
  const labels = { app: 'web' };
  const body = {
    metadata: { name: 'web' },
    spec: { replicas: 0, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'none.invalid/x' }] } } },
  };
  const made = await apps.createNamespacedDeployment({ namespace, body });
  check(made.spec.revisionHistoryLimit === 10, made.spec);
  const scale = await apps.readNamespacedDeploymentScale({ namespace, name: 'web' });
  check(scale.spec.replicas === 0 && scale.status.selector === 'app=web', scale);
  body.spec.selector.matchLabels = { app: 'other' };
  body.metadata.name = 'bad';
  await refused(422, 'spec.template.metadata.labels', apps.createNamespacedDeployment({ namespace, body }));
  await apps.deleteNamespacedDeployment({ namespace, name: 'web' });
}

for (const part of [configMaps, applied, informer, workloads]) await part();
console.log(`passed ${checks} checks`);
process.exit(0);

// Drives an enclave with @kubernetes/client-node: list, watch, patch, logs. Takes the kubeconfig from KUBECONFIG and
// prints `ok NAME` for what worked; ends with exit code 1 and the reason otherwise.
import { PassThrough } from 'node:stream';
import * as k8s from '@kubernetes/client-node';

const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);
const apps = config.makeApiClient(k8s.AppsV1Api);
const namespace = 'default';

function expect(condition, message) {
  if (!condition) throw new Error(message);
}
async function within(ms, what, promise) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`${what}: nothing within ${ms} ms`)), ms); });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function list() {
  const pods = await core.listNamespacedPod({ namespace });
  expect(pods.items.length >= 2, `${pods.items.length} pods instead of 2`);
  expect(pods.metadata.resourceVersion, 'the list has no resourceVersion');
  const deployments = await apps.listDeploymentForAllNamespaces();
  expect(deployments.items.some((d) => d.metadata.name === 'web'), 'the Deployment web is not listed');
  const nodes = await core.listNode();
  expect(nodes.items.length === 1, 'there is not one node');
}

async function watch() {
  const watcher = new k8s.Watch(config);
  const seen = [];
  let controller;
  const complete = new Promise((resolve, reject) => {
    watcher.watch(`/api/v1/namespaces/${namespace}/configmaps`, { allowWatchBookmarks: true }, (type, object) => {
      if (object.metadata.name !== 'watched') return;
      seen.push(type);
      if (type === 'DELETED') resolve();
    }, (error) => error && error.name !== 'AbortError' ? reject(error) : undefined)
      .then((c) => { controller = c; }, reject);
  });
  await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'watched' }, data: { a: '1' } } });
  const made = await core.readNamespacedConfigMap({ namespace, name: 'watched' });
  made.data.a = '2';
  await core.replaceNamespacedConfigMap({ namespace, name: 'watched', body: made });
  await core.deleteNamespacedConfigMap({ namespace, name: 'watched' });
  await within(10000, 'watch', complete);
  controller.abort();
  // The watch may have begun before or after the object was made; its life is told in order either way.
  expect(seen.join(' ').endsWith('DELETED') && seen[0] === 'ADDED', `events ${seen.join(' ')}`);
}

async function informer() {
  const informer = k8s.makeInformer(config, `/api/v1/namespaces/${namespace}/pods`, () => core.listNamespacedPod({ namespace }));
  const added = new Promise((resolve, reject) => {
    const names = new Set();
    informer.on('add', (pod) => { names.add(pod.metadata.name); if (names.size >= 2) resolve(); });
    informer.on('error', reject);
  });
  await informer.start();
  await within(10000, 'informer', added);
  await informer.stop();
}

async function patch() {
  const patched = await apps.patchNamespacedDeployment(
    { namespace, name: 'web', body: [{ op: 'add', path: '/metadata/labels/patched', value: 'json' }] },
    k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.JsonPatch));
  expect(patched.metadata.labels.patched === 'json', 'JSON patch had no effect');
  const merged = await apps.patchNamespacedDeployment(
    { namespace, name: 'web', body: { metadata: { labels: { patched: 'strategic' } } } },
    k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.StrategicMergePatch));
  expect(merged.metadata.labels.patched === 'strategic', 'strategic merge patch had no effect');
  const scaled = await apps.patchNamespacedDeploymentScale(
    { namespace, name: 'web', body: { spec: { replicas: 2 } } },
    k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.MergePatch));
  expect(scaled.spec.replicas === 2, 'the scale was not patched');
}

async function logs() {
  const pods = await core.listNamespacedPod({ namespace, labelSelector: 'app=web' });
  const name = pods.items[0].metadata.name;
  const text = await core.readNamespacedPodLog({ namespace, name, container: 'c2', tailLines: 2 });
  expect(text.includes('tick'), `the log is ${JSON.stringify(text)}`);
  const stream = new PassThrough();
  const followed = new Promise((resolve) => {
    let count = 0;
    stream.on('data', (chunk) => { count += chunk.toString().split('\n').length - 1; if (count >= 3) resolve(); });
  });
  const request = await new k8s.Log(config).log(namespace, name, 'c2', stream, { follow: true, tailLines: 1 });
  await within(15000, 'follow', followed);
  request.abort();
}

async function errors() {
  try {
    await core.readNamespacedPod({ namespace, name: 'nope' });
  } catch (error) {
    expect(error.code === 404, `code ${error.code}`);
    const status = typeof error.body === 'string' ? JSON.parse(error.body) : error.body;
    expect(status.reason === 'NotFound', `reason ${status.reason}`);
    return;
  }
  throw new Error('a pod that does not exist was read');
}

let failed = false;
for (const check of [list, watch, informer, patch, logs, errors]) {
  try {
    await within(30000, check.name, check());
    console.log(`ok ${check.name}`);
  } catch (error) {
    failed = true;
    console.log(`failed ${check.name}: ${error.stack ?? error}`);
  }
}
process.exit(failed ? 1 : 0);

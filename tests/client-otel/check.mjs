// Sends a trace, metrics and logs to an observatory with the OpenTelemetry SDK, over gRPC, HTTP with JSON and HTTP with
// protobuf, and asks for all of it again. Takes OTLP_GRPC and OBSERVATORY (URLs); prints `ok NAME` for what worked and
// ends with exit code 1 and the reason otherwise.
import { context, SpanStatusCode, trace, TraceFlags } from '@opentelemetry/api';
import { SeverityNumber } from '@opentelemetry/api-logs';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { OTLPTraceExporter as GrpcTraces } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as JsonTraces } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtoTraces } from '@opentelemetry/exporter-trace-otlp-proto';
import { OTLPMetricExporter as GrpcMetrics } from '@opentelemetry/exporter-metrics-otlp-grpc';
import { OTLPMetricExporter as JsonMetrics } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPMetricExporter as ProtoMetrics } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPLogExporter as GrpcLogs } from '@opentelemetry/exporter-logs-otlp-grpc';
import { OTLPLogExporter as JsonLogs } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPLogExporter as ProtoLogs } from '@opentelemetry/exporter-logs-otlp-proto';

const grpc = process.env.OTLP_GRPC;
const observatory = process.env.OBSERVATORY;
const http = (signal) => ({ url: `${observatory}/v1/${signal}`, compression: 'gzip' });
const ways = {
  grpc: [new GrpcTraces({ url: grpc }), new GrpcMetrics({ url: grpc }), new GrpcLogs({ url: grpc })],
  json: [new JsonTraces(http('traces')), new JsonMetrics(http('metrics')), new JsonLogs(http('logs'))],
  protobuf: [new ProtoTraces(http('traces')), new ProtoMetrics(http('metrics')), new ProtoLogs(http('logs'))],
};

function expect(condition, message) {
  if (!condition) throw new Error(message);
}
async function ask(path) {
  const answer = await fetch(observatory + path);
  const text = await answer.text();
  expect(answer.ok, `${path}: ${answer.status} ${text}`);
  return JSON.parse(text);
}

async function check(way, [traceExporter, metricExporter, logExporter]) {
  const service = `sdk-${way}`;
  const resource = resourceFromAttributes({ 'service.name': service, 'service.instance.id': 'one' });
  const tracers = new BasicTracerProvider({ resource, spanProcessors: [new BatchSpanProcessor(traceExporter)] });
  const meters = new MeterProvider({ resource, readers: [new PeriodicExportingMetricReader({ exporter: metricExporter, exportIntervalMillis: 600000 })] });
  const loggers = new LoggerProvider({ resource, processors: [new BatchLogRecordProcessor({ exporter: logExporter })] });

  const tracer = tracers.getTracer('check');
  const root = tracer.startSpan('order');
  const inside = trace.setSpan(context.active(), root);
  const child = tracer.startSpan('charge', { attributes: { 'card.last4': '4242', amount: 12.5 } }, inside);
  child.recordException(new Error('declined'));
  child.setStatus({ code: SpanStatusCode.ERROR, message: 'declined' });
  loggers.getLogger('check').emit({
    severityNumber: SeverityNumber.ERROR, severityText: 'ERROR', body: `the card was declined by ${way}`,
    attributes: { order: 7 }, context: trace.setSpan(context.active(), child),
  });
  child.end();
  root.end();
  const meter = meters.getMeter('check');
  meter.createCounter('orders', { unit: '1' }).add(3, { outcome: 'declined' });
  meter.createHistogram('order.duration', { unit: 's', advice: { explicitBucketBoundaries: [0.1, 1] } }).record(0.5);
  // Each waits until its exporter was answered, so what follows needs no patience.
  await Promise.all([tracers.forceFlush(), meters.forceFlush(), loggers.forceFlush()]);

  const traceId = root.spanContext().traceId;
  expect(root.spanContext().traceFlags === TraceFlags.SAMPLED, 'not sampled');
  const found = JSON.stringify(await ask(`/api/traces/${traceId}`));
  for (const part of ['order', 'charge', 'declined', '4242', service]) expect(found.includes(part), `${part} is not in the trace: ${found}`);

  const query = async (text) => (await ask(`/api/v1/query?query=${encodeURIComponent(text)}`)).data.result;
  const orders = await query(`orders_total{job="${service}",outcome="declined"}`);
  expect(orders.length === 1 && orders[0].value[1] === '3', `orders: ${JSON.stringify(orders)}`);
  const bucket = await query(`order_duration_seconds_bucket{job="${service}",le="1.0"} or order_duration_seconds_bucket{job="${service}",le="1"}`);
  expect(bucket.length === 1 && bucket[0].value[1] === '1', `bucket: ${JSON.stringify(bucket)}`);

  const logs = await ask(`/loki/api/v1/query_range?query=${encodeURIComponent(`{service_name="${service}"} |= "declined"`)}`);
  const lines = JSON.stringify(logs.data.result);
  expect(lines.includes(`the card was declined by ${way}`) && lines.includes(traceId), `logs: ${lines}`);
  await Promise.all([tracers.shutdown(), meters.shutdown(), loggers.shutdown()]);
  console.log(`ok ${way}`);
}

try {
  for (const [way, exporters] of Object.entries(ways)) await check(way, exporters);
} catch (error) {
  console.error(error);
  process.exit(1);
}
process.exit(0);

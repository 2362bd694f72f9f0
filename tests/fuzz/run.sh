#!/bin/sh
# Runs fuzzers: run.sh FOLDER SECONDS NAME|all. Each begins with its corpus (tests/fuzz/corpus/NAME); what it learns stays in FOLDER/NAME.found,
# an input that shows something becomes FOLDER/NAME.crash-*. Every second run has memory short once in 25 allocations. Ends with 1 after a finding.
folder=$1 seconds=$2 only=$3
here=$(dirname "$0")
bad=0
for fuzzer in "$folder"/fuzz_*; do
    name=${fuzzer##*/fuzz_}
    case $name in *.*) continue ;; esac
    [ "$only" = all ] || [ "$only" = "$name" ] || continue
    mkdir -p "$folder/$name.found"
    for rate in 0 25; do
        log=$folder/$name.log
        if FUZZ_SHORT_MEMORY=$rate "$fuzzer" -max_total_time=$((seconds / 2)) -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=1024 -max_len=65536 \
            -print_final_stats=1 -artifact_prefix="$folder/$name." "$folder/$name.found" "$here/corpus/$name" >"$log" 2>&1; then
            printf 'good    %-14s %12s inputs\n' "$name" "$(sed -n 's/stat::number_of_executed_units: *//p' "$log")"
        else
            printf 'FOUND   %-14s see %s\n' "$name" "$log"
            grep -m 3 -E 'ERROR|runtime error|tests/fuzz/.*:[0-9]+:|Test unit written' "$log"
            bad=1
        fi
    done
done
exit $bad

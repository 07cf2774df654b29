# Sourced by .ci/run: parts that run only while there is time for them.

limit=$((70 * 60))      # seconds by which a part must be expected to end
hard_limit=$((82 * 60)) # seconds after which it is stopped
pace=100                # percent of the time that an ordinary machine takes
left_out=()

# set_pace SECONDS: what has run so far takes so long on an ordinary machine with two cores.
set_pace() {
    pace=$((SECONDS * 100 / $1))
    if ((pace < 100)); then pace=100; fi
}

# as_time_allows SECONDS TARGET [OPTION…]: `make TARGET`, which takes so long on an ordinary machine. What fails is run
# once more by itself, as after `make test`. A part that is stopped counts as left out, not as failed.
as_time_allows() {
    local expected=$(($1 * pace / 100)) left=$((limit - SECONDS)) code=0
    shift
    if ((expected > left)); then
        left_out+=("make $1: takes about $((expected / 60)) min on this machine; $((left > 0 ? left / 60 : 0)) min are left")
        return 0
    fi
    stopped_at_the_limit "$@" || code=$?
    if ((code != 0 && code != 124 && code != 137)); then
        code=0
        stopped_at_the_limit test-failed "${@:2}" || code=$?
    fi
    if ((code == 124 || code == 137)); then
        left_out+=("make $1: stopped after $((hard_limit / 60)) min of this run")
        code=0
    fi
    return "$code"
}

# Exit code 124 or 137: it was stopped. Ctrl-C lets the tests stop their servers.
stopped_at_the_limit() {
    timeout --signal=INT --kill-after=90 $((hard_limit > SECONDS ? hard_limit - SECONDS : 1)) \
        env --default-signal=INT make "$@"
}

say_what_was_left_out() {
    local part
    if ((${#left_out[@]} == 0)); then echo "CI left out nothing, in $((SECONDS / 60)) min."; fi
    for part in "${left_out[@]}"; do echo "CI left out $part."; done
}

"""Proxies of the environment: one rule for every client in a process, applied at its start.

httpx (Prefect's client, too), requests (MLflow's), botocore, websockets and urllib each read HTTP_PROXY, HTTPS_PROXY,
ALL_PROXY and NO_PROXY by themselves. Where they disagree, the variables are normalised: this machine is never reached
through a proxy, and each variable names a kind of proxy that all of them support.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping

from wgan.addresses import THIS_MACHINE
from wgan.errors import UsageError

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
SCHEMES = ("http", "https", "socks5", "socks5h")
EVERYTHING = "*"


def normalise_proxies(environment: MutableMapping[str, str]) -> None:
    """Apply the rule to a process's environment, which its children inherit. Idempotent.

    Raises `UsageError` if a variable names an unusable proxy.
    """
    for name in (spelling for proxy in PROXIES for spelling in (proxy, proxy.lower())):
        value = environment.get(name, "").strip()
        scheme, found, rest = value.partition("://")
        if not found:  # nothing, or host:port, which all treat as http
            continue
        if scheme.lower() == "socks":  # as desktops set it
            environment[name] = f"socks5://{rest}"
        elif scheme.lower() not in SCHEMES:
            raise UsageError(
                f"{name} names a proxy of the kind {scheme}://, which cannot be used: "
                f"{', '.join(f'{kind}://' for kind in SCHEMES)} are allowed. Unset it, or name another."
            )
    if any(environment.get(spelling) for proxy in PROXIES for spelling in (proxy, proxy.lower())):
        environment.update(no_proxy_value(environment))
    every = environment.get("ALL_PROXY") or environment.get("all_proxy") or ""
    if every and not every.lower().startswith("socks"):  # botocore and urllib do not read it, nor support SOCKS
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            if not (environment.get(name) or environment.get(name.lower())):
                environment[name] = environment[name.lower()] = every


def no_proxy_value(environment: Mapping[str, str]) -> dict[str, str]:
    """`NO_PROXY`, in both spellings, with this machine added to the values of both."""
    known = f"{environment.get('NO_PROXY', '')},{environment.get('no_proxy', '')}"
    hosts = list(dict.fromkeys(host for host in (part.strip() for part in known.split(",")) if host))
    if EVERYTHING in hosts:  # some clients treat it as everything only if it is alone
        hosts = [EVERYTHING]
    else:
        hosts += [host for host in THIS_MACHINE if host not in hosts]
    return {"NO_PROXY": ",".join(hosts), "no_proxy": ",".join(hosts)}

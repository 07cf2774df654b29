"""Proxies of the environment: one rule for every client of a process, made when the process begins.

httpx (Prefect's client, too), requests (MLflow's), botocore, websockets and urllib each read HTTP_PROXY, HTTPS_PROXY,
ALL_PROXY and NO_PROXY by themselves. What they disagree on is settled in the variables: this machine is never asked
for through a proxy, and each variable names a kind of proxy that all of them understand.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping

from wgan.addresses import THIS_MACHINE
from wgan.errors import UsageError

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
SCHEMES = ("http", "https", "socks5", "socks5h")
EVERYTHING = "*"


def settle_proxies(environment: MutableMapping[str, str]) -> None:
    """Make the rule hold in a process's environment, from which its children inherit it. Repeated calls change nothing.

    Raises `UsageError` where a variable names a proxy that cannot be used.
    """
    for name in (spelling for proxy in PROXIES for spelling in (proxy, proxy.lower())):
        value = environment.get(name, "").strip()
        scheme, found, rest = value.partition("://")
        if not found:  # nothing, or host:port, which all take for http
            continue
        if scheme.lower() == "socks":  # as desktops write it
            environment[name] = f"socks5://{rest}"
        elif scheme.lower() not in SCHEMES:
            raise UsageError(
                f"{name} names a proxy of the kind {scheme}://, which cannot be used: "
                f"{', '.join(f'{kind}://' for kind in SCHEMES)} are allowed. Unset it, or name another."
            )
    if any(environment.get(spelling) for proxy in PROXIES for spelling in (proxy, proxy.lower())):
        environment.update(past_proxies(environment))
    every = environment.get("ALL_PROXY") or environment.get("all_proxy") or ""
    if every and not every.lower().startswith("socks"):  # botocore and urllib do not read it, and know no SOCKS
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            if not (environment.get(name) or environment.get(name.lower())):
                environment[name] = environment[name.lower()] = every


def past_proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """`NO_PROXY`, in both spellings, with this machine added to what either of them holds."""
    known = f"{environment.get('NO_PROXY', '')},{environment.get('no_proxy', '')}"
    hosts = list(dict.fromkeys(host for host in (part.strip() for part in known.split(",")) if host))
    if EVERYTHING in hosts:  # some clients take it for everything only where it stands alone
        hosts = [EVERYTHING]
    else:
        hosts += [host for host in THIS_MACHINE if host not in hosts]
    return {"NO_PROXY": ",".join(hosts), "no_proxy": ",".join(hosts)}

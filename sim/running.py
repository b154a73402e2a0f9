"""A demo from its first process to its last: starts the product, lets the world run, ends both."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

import httpx
import msgspec

from sim.api import Api, UnreachableError, connect
from sim.children import Child, Say, product, run_once
from sim.clock import SimulatedClock, real_now_s
from sim.drivers import Driver
from sim.opening import DEPOT, ZONE, DayPlan, hire, open_depot, plan_day, write_gateway_config
from sim.orders import as_csv, orders_of_day
from sim.receiver import Receiver
from sim.record import (
    Moment,
    Setup,
    VanMoment,
    load_moment,
    save_moment,
    save_setup,
    write_whole,
)
from sim.serial_line import SerialLine
from sim.streets import Streets
from sim.summary import Summary, summarize
from sim.traffic import Traffic, TrafficTruth, crossings
from sim.world import Van, World, underpasses
from wire.clock import CLOCK_FILE, DEMO_MARK, ClockRate

_DAY_BEGINS: Final = time(7, 55)
_SHIFT_BEGINS: Final = time(8, 0)
_HEARTBEAT_S: Final = 1.0
_LOOK_AROUND_S: Final = 2.0
_HEALTH_PATIENCE_S: Final = 90.0
_EXTRACT: Final = Path(__file__).with_name("city") / "coquimbo.osm.pbf"


class FirstLogin(msgspec.Struct, frozen=True, kw_only=True):
    """What the cloud writes at its first start."""

    name: str
    password: str
    api_token: str


class Demo:
    """One run of a demo in one data folder."""

    def __init__(self, *, folder: Path, port: int, speed: float, setup: Setup, say: Say) -> None:
        """``setup`` says how many vans and orders; ``folder`` may hold a former run.

        Raises:
            RecordError: what the former run left cannot be read.
        """
        self._folder = folder
        self._url = f"http://127.0.0.1:{port}"
        self._setup = setup
        self._say = say
        before = load_moment(folder) or _first_moment()
        self._day = date.fromisoformat(before.service_date)
        self._parked = before.vans
        self._clock = SimulatedClock(_rate(before.simulated_s, speed))
        self._began_s = before.simulated_s
        self._world = World(vans=[], clock=self._clock, shadows=[])
        self._drivers: list[Driver] = []
        command = product("cloud", "serve", "--data", str(folder), "--port", str(port))
        self._cloud = Child("cloud", command, logs=folder / "logs", say=say)
        self._gateways: list[Child] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self, hours: float | None) -> Summary:
        """Run until cancelled, or for so many simulated hours; everything is ended on the way out.

        Raises:
            ExceptionGroup: of what did not come up or did not let itself be set up.
        """
        try:
            async with connect(self._url) as client, asyncio.TaskGroup() as group:
                reading = group.create_task(asyncio.to_thread(Streets.read, _EXTRACT))
                login = await self._open_cloud(group, Api(client, ""))
                api = Api(client, login.api_token)
                await self._set_up(api)
                streets = await reading
                plan = await self._plan(api, streets)
                self._start_world(group, client, streets)
                self._keep(group, self._keep_days(api, streets))
                await self._wait_for_health(api)
                self._announce(login, plan)
                await self._wait(hours)
                summary = await self._summarize(api)
                for task in self._tasks:
                    task.cancel()
            return summary
        finally:
            await self._stop()

    async def _open_cloud(self, group: asyncio.TaskGroup, anyone: Api) -> FirstLogin:
        """Have the city imported and the cloud up; the clock begins in between."""
        if not (self._folder / "city" / "city.json").exists():
            command = product("city", "import", str(_EXTRACT), "--data", str(self._folder))
            await run_once([*command, "--name", "La Serena"], self._folder / "logs" / "city.log")
        self._clock = SimulatedClock(_rate(self._began_s, self._clock.rate.speed))
        write_whole(self._folder / CLOCK_FILE, msgspec.json.encode(self._clock.rate))
        self._keep(group, self._keep_moment())
        self._keep(group, self._cloud.keep_running())
        await self._wait_for_health(anyone)
        secret = self._folder / "secrets" / "first_login.json"
        return msgspec.json.decode(await asyncio.to_thread(secret.read_bytes), type=FirstLogin)

    async def _set_up(self, api: Api) -> None:
        """Have depot, vans and drivers; those of a former start stay as they are."""
        await open_depot(api)
        while len(self._setup.crews) < self._setup.vans:
            number = len(self._setup.crews) + 1
            crew = await hire(api, number, self._setup.orders / self._setup.vans)
            self._setup.crews.append(crew)
            save_setup(self._folder, self._setup)

    async def _plan(self, api: Api, streets: Streets) -> DayPlan:
        """Have the orders of the service date planned."""
        orders = orders_of_day(
            streets=streets,
            depot=DEPOT,
            day=self._day,
            count=self._setup.orders,
            vans=self._setup.vans,
            rng=Random(f"{self._setup.seed} orders {self._day}"),
        )
        return await plan_day(api, self._day, self._setup.crews, as_csv(orders))

    def _start_world(
        self, group: asyncio.TaskGroup, client: httpx.AsyncClient, streets: Streets
    ) -> None:
        """Let receivers write, gateways read, drivers work."""
        rng = Random(f"{self._setup.seed} underpasses")
        vans = [self._van(crew.van) for crew in self._setup.crews]
        shadows = underpasses(streets, DEPOT, rng)
        traffic = Traffic(
            zone=ZONE,
            seed=f"{self._setup.seed}",
            around=crossings(streets),
            truth=TrafficTruth(),
        )
        self._world = World(vans=vans, clock=self._clock, shadows=shadows)
        self._keep(group, self._world.run())
        for crew in self._setup.crews:
            config = self._folder / "vans" / crew.van / "gateway.toml"
            device = self._world.vans[crew.van].line.device
            clock_file = self._folder / CLOCK_FILE
            write_gateway_config(config, crew, device=device, clock_file=clock_file)
            command = product("gateway", "run", "--config", str(config))
            child = Child(crew.van, command, logs=self._folder / "logs", say=self._say)
            self._gateways.append(child)
            self._keep(group, child.keep_running())
            driver = Driver(
                van=self._world.vans[crew.van],
                api=Api(client, crew.token),
                streets=streets,
                traffic=traffic,
                clock=self._clock,
                depot=DEPOT,
                seed=self._setup.seed,
            )
            self._drivers.append(driver)
            self._keep(group, driver.work())

    def _van(self, name: str) -> Van:
        now_s = self._clock.now_s()
        at_depot = VanMoment(point=DEPOT, course_deg=0.0, driven_m=0.0, fixes=0)
        folder = self._folder / "vans" / name
        folder.mkdir(parents=True, exist_ok=True)
        return Van(
            name,
            line=SerialLine(folder / "gnss"),
            receiver=Receiver(rng=Random(f"{self._setup.seed} {name} {now_s}"), started_s=now_s),
            resumed=self._parked.get(name, at_depot),
        )

    async def _keep_days(self, api: Api, streets: Streets) -> None:
        """When all vans are back, say how the day went and have the next one planned."""
        zone = ZoneInfo(ZONE)
        while True:
            await asyncio.sleep(_LOOK_AROUND_S)
            starts = datetime.combine(self._day, _SHIFT_BEGINS, zone).timestamp() + 60
            if self._clock.now_s() < starts or not all(driver.is_back for driver in self._drivers):
                continue
            summary = await self._summarize(api)
            self._say(f"all vans are back. {summary.line()}")
            self._day += timedelta(days=1)
            plan = await self._plan(api, streets)
            self._say(f"{_described(plan)}; the vans leave at {_SHIFT_BEGINS:%H:%M}")

    async def _keep_moment(self) -> None:
        """Remember where the run is, ahead of the clock, so that a killed run never goes back."""
        while True:
            ahead_s = 2 * _HEARTBEAT_S * self._clock.rate.speed
            await asyncio.to_thread(save_moment, self._folder, self._moment(ahead_s))
            await asyncio.sleep(_HEARTBEAT_S)

    def _moment(self, ahead_s: float = 0.0) -> Moment:
        return Moment(
            simulated_s=self._clock.now_s() + ahead_s,
            service_date=f"{self._day}",
            vans={**self._parked, **self._world.moments()},
        )

    async def _wait_for_health(self, api: Api) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + _HEALTH_PATIENCE_S
        while True:
            is_healthy, reason = await api.is_healthy()
            if is_healthy:
                return
            if loop.time() > until:
                told = f"{reason} (see {self._cloud.log})"
                raise UnreachableError(f"not healthy within {_HEALTH_PATIENCE_S:.0f} s: {told}")
            await asyncio.sleep(0.1)

    def _announce(self, login: FirstLogin, plan: DayPlan) -> None:
        for child in (self._cloud, *self._gateways):
            child.gives_up_after = None
        broker = self._setup.crews[0].gateway["broker"]
        told = {
            "url": self._url,
            "api_token": login.api_token,
            "broker": broker,
            "logins": [{"name": login.name, "password": login.password, "role": "admin"}],
            "speed": self._clock.rate.speed,
        }
        write_whole(self._folder / DEMO_MARK, msgspec.json.format(msgspec.json.encode(told)))
        local = datetime.fromtimestamp(self._clock.now_s(), ZoneInfo(ZONE))
        rate = f"{self._clock.rate.speed:g} times real time"
        self._say(
            f"{_described(plan)}; {self._setup.vans} vans; it is {local:%A %H:%M}, {rate}.\n\n"
            f"  open      {self._url}/\n"
            f"  name      {login.name}\n"
            f"  password  {login.password}\n\n"
            f"{_to_see(local, self._day)} Post an urgent order with the form on the page.\n"
            f"Ctrl-C stops everything; the same command goes on from there ({self._folder})."
        )

    async def _wait(self, hours: float | None) -> None:
        if hours is None:
            await asyncio.Event().wait()
        await self._clock.sleep((hours or 0.0) * 3600)

    async def _summarize(self, api: Api) -> Summary:
        return await summarize(
            api,
            day=self._day,
            vans=self._world.moments(),
            from_s=datetime.combine(self._day, time(), ZoneInfo(ZONE)).timestamp(),
            to_s=self._clock.now_s(),
        )

    def _keep(self, group: asyncio.TaskGroup, work: Coroutine[None, None, None]) -> None:
        self._tasks.append(group.create_task(work))

    async def _stop(self) -> None:
        """End the gateways, then the cloud; remember where the clock stopped."""
        await asyncio.gather(*(gateway.stop(5.0) for gateway in self._gateways))
        await self._cloud.stop(10.0)
        moment = self._moment()
        self._world.close()
        if (self._folder / CLOCK_FILE).exists():
            save_moment(self._folder, moment)


def _rate(simulated_s: float, speed: float) -> ClockRate:
    return ClockRate(real_s=real_now_s(), simulated_s=simulated_s, speed=speed)


def _first_moment() -> Moment:
    """Half past seven at the depot, on the day the machine's clock shows there."""
    today = datetime.fromtimestamp(real_now_s(), UTC).astimezone(ZoneInfo(ZONE)).date()
    begins = datetime.combine(today, _DAY_BEGINS, ZoneInfo(ZONE))
    return Moment(simulated_s=begins.timestamp(), service_date=f"{today}")


def _described(plan: DayPlan) -> str:
    left = f", {plan.unserved} orders left out" if plan.unserved else ""
    return f"{plan.day}: {plan.routes} routes planned (revision {plan.revision}){left}"


def _to_see(local: datetime, day: date) -> str:
    """What the vans are about to do."""
    leaves = datetime.combine(day, _SHIFT_BEGINS, local.tzinfo)
    if local < leaves:
        return f"The vans leave at {leaves:%H:%M} on {leaves:%A}."
    return "The vans are on their way."

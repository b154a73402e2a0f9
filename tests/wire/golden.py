"""One sample of each message, and the bytes it has had on the wire since version 1."""

import msgspec

from wire import events as e
from wire import messages as m

FIX = m.Fix(
    recorded_at_ms=1_795_341_600_123,
    fix_time_ms=1_795_341_600_000,
    lat_e7=-299_027_315,
    lon_e7=-712_520_114,
    mode=3,
    speed_cmps=1_234,
    course_ddeg=905,
    altitude_dm=412,
    hdop_d=9,
    satellites=11,
    source="serial",
    quality="gnss",
)
BARE_FIX = m.Fix(recorded_at_ms=1_795_341_601_123, lat_e7=1, lon_e7=-1, mode=2)

JSON_SAMPLES: dict[str, tuple[msgspec.Struct, bytes]] = {
    "event_gap": (
        m.Event(
            stream="77",
            seq=3,
            recorded_at_ms=1_795_341_600_123,
            body=e.Gap(stream="9223372036854775807", first=10, last=19, reason="spool_full"),
        ),
        (
            b'{"stream":"77","seq":3,"recorded_at_ms":1795341600123,"body":{"type":"gap",'
            b'"stream":"9223372036854775807","first":10,"last":19,"kept":0,"reason":"spool_full"},'
            b'"quality":"none","v":1}'
        ),
    ),
    "event_started": (
        m.Event(
            stream="77",
            seq=0,
            recorded_at_ms=1,
            body=e.GatewayStarted(boot=4, fixes="5", version="0.1.0"),
        ),
        (
            b'{"stream":"77","seq":0,"recorded_at_ms":1,"body":{"type":"gateway_started","boot":4,'
            b'"fixes":"5","version":"0.1.0"},"quality":"none","v":1}'
        ),
    ),
    "resume": (m.Resume(streams=("5", "77")), b'{"streams":["5","77"],"v":1}'),
    "ack": (
        m.Ack(stream="5", upto=41, missing=((7, 9), (20, 20))),
        b'{"stream":"5","upto":41,"missing":[[7,9],[20,20]],"v":1}',
    ),
    "state": (
        m.State(version="0.1.0", boot=4, receiver="ok", spooled=60),
        (
            b'{"version":"0.1.0","boot":4,"receiver":"ok","spooled":60,"settings":0,'
            b'"route_revision":null,"refused":null,"chosen":null,"jamming":"unknown",'
            b'"spoofing":"unknown","antenna":"unknown","clock":"none","spool":"ok",'
            b'"is_on_duty":true,"sent_bytes":0,"heard_bytes":0,"processor_celsius":null,"v":1}'
        ),
    ),
    "presence": (m.Presence(online=False), b'{"online":false,"v":1}'),
    "result": (
        m.Result(command="c-1", status="done"),
        b'{"command":"c-1","status":"done","detail":"","v":1}',
    ),
    "result_data": (
        m.Result(command="c-1", status="done", detail="2 fixes", data={"fixes": 2}),
        b'{"command":"c-1","status":"done","detail":"2 fixes","v":1,"data":{"fixes":2}}',
    ),
    "desired": (
        m.Desired(settings=2, values={"batch_fixes": 60}),
        b'{"settings":2,"values":{"batch_fixes":60},"v":1}',
    ),
    "command": (
        m.Command(id="c-1", expires_at_ms=1_795_341_700_000, name="ping"),
        b'{"id":"c-1","expires_at_ms":1795341700000,"name":"ping","arguments":{},"v":1}',
    ),
    "route": (
        m.Route(
            route="r-1",
            revision=2,
            stops=(
                m.RouteStop(stop="s-1", kind="delivery", lat_e7=-1, lon_e7=2, planned_arrival_ms=3),
            ),
            path=((-1, 2), (-3, 4)),
        ),
        (
            b'{"route":"r-1","revision":2,"stops":[{"stop":"s-1","kind":"delivery","lat_e7":-1,'
            b'"lon_e7":2,"planned_arrival_ms":3,"window_from_ms":null,"window_to_ms":null}],'
            b'"path":[[-1,2],[-3,4]],"v":1}'
        ),
    ),
    "position": (
        m.Position(
            van="van-1",
            lat=-29.9027315,
            lon=-71.2520114,
            fix_time="2026-11-22T12:00:00.000Z",
            received_at="2026-11-22T12:00:00.200Z",
            speed_mps=12.34,
        ),
        (
            b'{"van":"van-1","lat":-29.9027315,"lon":-71.2520114,'
            b'"fix_time":"2026-11-22T12:00:00.000Z","received_at":"2026-11-22T12:00:00.200Z",'
            b'"speed_mps":12.34,"course_deg":null,"v":1}'
        ),
    ),
    "order_status": (
        m.OrderStatus(order="o-1", state="loaded", at="2026-11-22T12:00:00.000Z"),
        b'{"order":"o-1","state":"loaded","at":"2026-11-22T12:00:00.000Z","v":1}',
    ),
    "route_revised": (
        m.RouteRevised(
            route="r-1",
            van="van-1",
            revision=2,
            trigger="urgent_order",
            stops=("s-1",),
            at="2026-11-22T12:00:00.000Z",
        ),
        (
            b'{"route":"r-1","van":"van-1","revision":2,"trigger":"urgent_order","stops":["s-1"],'
            b'"at":"2026-11-22T12:00:00.000Z","v":1}'
        ),
    ),
}

BATCH = m.Batch(stream=2**63 - 1, first=60, fixes=(FIX, BARE_FIX))
LIVE_SAMPLES: dict[str, tuple[m.Live, str]] = {
    "full": (
        m.Live(fix=FIX),
        "01155101596280011d83c3a596e50fa9e0c6c6038000380c34805e24054e00520158",
    ),
    "bare": (m.Live(fix=BARE_FIX), "018aa880acb258c020040600000aa8"),
}

BATCH = m.Batch(stream=2**63 - 1, first=60, fixes=(FIX, BARE_FIX))
BATCH_HEX = (
    "01027fffffffffffffff000000000000003c00000002"  # envelope
    "e2aa202b2c500023b0aa880acb258c5e1d2cb72bc3a596e82fa9"
    "e0c6c6fa9e0c6c403b000028000ec30002f061a4705e24e0a9c38149c0ac"  # columns
    "f2311e99"  # checksum
)

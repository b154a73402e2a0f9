"""One sample of each message, and the bytes it has had on the wire since version 1."""

from typing import Any

import msgspec

from wire import enrolment as n
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

AT_MS = 1_795_341_600_000
WHERE = e.Where(lat_e7=-299_027_315, lon_e7=-712_520_114)

EVENT_BODIES: dict[str, tuple[e.EventBody, bytes]] = {
    "gap": (
        e.Gap(stream="9223372036854775807", first=10, last=19, kept=4, reason="thinned"),
        (
            b'{"type":"gap","stream":"9223372036854775807","first":10,"last":19,"kept":4,"reas'
            b'on":"thinned"}'
        ),
    ),
    "gateway_started": (
        e.GatewayStarted(boot=4, fixes="5", version="0.1.0"),
        (b'{"type":"gateway_started","boot":4,"fixes":"5","version":"0.1.0"}'),
    ),
    "trip_started": (
        e.TripStarted(at_ms=AT_MS, where=WHERE, odometer_m=81_204_310, by="ignition"),
        (
            b'{"type":"trip_started","at_ms":1795341600000,"where":{"lat_e7":-299027315,"lon_e'
            b'7":-712520114},"odometer_m":81204310,"by":"ignition"}'
        ),
    ),
    "trip_ended": (
        e.TripEnded(
            started_at_ms=AT_MS,
            at_ms=AT_MS + 1_260_000,
            where=WHERE,
            odometer_m=81_213_880,
            distance_m=9_570,
            moving_s=1_080,
            idling_s=95,
            top_speed_cmps=2_210,
        ),
        (
            b'{"type":"trip_ended","started_at_ms":1795341600000,"at_ms":1795342860000,"where"'
            b':{"lat_e7":-299027315,"lon_e7":-712520114},"odometer_m":81213880,"distance_m":95'
            b'70,"moving_s":1080,"idling_s":95,"top_speed_cmps":2210}'
        ),
    ),
    "stop_arrived": (
        e.StopArrived(route="r-1", revision=2, stop="s-1", at_ms=AT_MS, where=WHERE),
        (
            b'{"type":"stop_arrived","route":"r-1","revision":2,"stop":"s-1","at_ms":179534160'
            b'0000,"where":{"lat_e7":-299027315,"lon_e7":-712520114}}'
        ),
    ),
    "stop_departed": (
        e.StopDeparted(route="r-1", revision=2, stop="s-1", at_ms=AT_MS, dwell_s=184),
        (
            b'{"type":"stop_departed","route":"r-1","revision":2,"stop":"s-1","at_ms":17953416'
            b'00000,"dwell_s":184,"where":null}'
        ),
    ),
    "geofence_entered": (
        e.GeofenceEntered(geofence="yard", at_ms=AT_MS, where=WHERE),
        (
            b'{"type":"geofence_entered","geofence":"yard","at_ms":1795341600000,"where":{"lat'
            b'_e7":-299027315,"lon_e7":-712520114}}'
        ),
    ),
    "geofence_left": (
        e.GeofenceLeft(geofence="yard", at_ms=AT_MS, dwell_s=3_600),
        (
            b'{"type":"geofence_left","geofence":"yard","at_ms":1795341600000,"dwell_s":3600,"'
            b'where":null}'
        ),
    ),
    "harsh_driving": (
        e.HarshDriving(
            manoeuvre="braking",
            at_ms=AT_MS,
            peak_cmps2=412,
            lasted_ms=2_000,
            speed_cmps=1_390,
            is_estimate=True,
            where=WHERE,
        ),
        (
            b'{"type":"harsh_driving","manoeuvre":"braking","at_ms":1795341600000,"peak_cmps2"'
            b':412,"lasted_ms":2000,"speed_cmps":1390,"is_estimate":true,"where":{"lat_e7":-29'
            b'9027315,"lon_e7":-712520114}}'
        ),
    ),
    "idled": (
        e.Idled(at_ms=AT_MS, lasted_s=421, where=WHERE),
        (
            b'{"type":"idled","at_ms":1795341600000,"lasted_s":421,"where":{"lat_e7":-29902731'
            b'5,"lon_e7":-712520114}}'
        ),
    ),
    "ignition_switched": (
        e.IgnitionSwitched(is_on=True, at_ms=AT_MS),
        (b'{"type":"ignition_switched","is_on":true,"at_ms":1795341600000}'),
    ),
    "door_moved": (
        e.DoorMoved(door="rear", is_open=True, at_ms=AT_MS, where=WHERE),
        (
            b'{"type":"door_moved","door":"rear","is_open":true,"at_ms":1795341600000,"where":'
            b'{"lat_e7":-299027315,"lon_e7":-712520114}}'
        ),
    ),
    "temperature_told": (
        e.TemperatureTold(sensor="box", at_ms=AT_MS, celsius_d=-183),
        (b'{"type":"temperature_told","sensor":"box","at_ms":1795341600000,"celsius_d":-183}'),
    ),
    "duty_changed": (
        e.DutyChanged(is_on_duty=False, at_ms=AT_MS),
        (b'{"type":"duty_changed","is_on_duty":false,"at_ms":1795341600000}'),
    ),
    "reception_changed": (
        e.ReceptionChanged(
            receiver="roof", at_ms=AT_MS, jamming="warning", spoofing="none", antenna="ok"
        ),
        (
            b'{"type":"reception_changed","receiver":"roof","at_ms":1795341600000,"jamming":"w'
            b'arning","spoofing":"none","antenna":"ok"}'
        ),
    ),
    "receiver_chosen": (
        e.ReceiverChosen(receiver="dash", before="roof", reason="no fix for 5 s"),
        (b'{"type":"receiver_chosen","receiver":"dash","before":"roof","reason":"no fix for 5 s"}'),
    ),
    "clock_corrected": (
        e.ClockCorrected(by_ms=-63_072_000_000, before="none", quality="gnss"),
        (b'{"type":"clock_corrected","by_ms":-63072000000,"before":"none","quality":"gnss"}'),
    ),
    "spool_repaired": (
        e.SpoolRepaired(salvaged=1_204, problem="quick_check: row 7 missing from index"),
        (
            b'{"type":"spool_repaired","salvaged":1204,"problem":"quick_check: row 7 missing '
            b'from index"}'
        ),
    ),
    "sealed_given_up": (
        e.SealedGivenUp(
            tenant="main",
            earlier_van="van-2",
            fixes=1_204,
            events=17,
            from_ms=AT_MS,
            to_ms=AT_MS + 1_260_000,
        ),
        (
            b'{"type":"sealed_given_up","tenant":"main","earlier_van":"van-2","fixes":1204,"ev'
            b'ents":17,"from_ms":1795341600000,"to_ms":1795342860000}'
        ),
    ),
    "power_failing": (
        e.PowerFailing(at_ms=AT_MS),
        (b'{"type":"power_failing","at_ms":1795341600000}'),
    ),
}

DESIRED_VALUES: dict[str, Any] = {
    "live_every_s": 10.0,
    "batch_wait_s": 600.0,
    "is_metered": True,
    "history_bytes_a_second": 2_000,
    "keeping": {"error_m": 3.0, "turn_deg": 15.0, "heartbeat_s": 30.0},
    "shifts": [{"from_ms": AT_MS, "to_ms": AT_MS + 36_000_000}],
    "geofences": [
        {"geofence": "yard", "points": [[-299_027_315, -712_520_114]], "radius_m": 80.0},
        {
            "geofence": "port",
            "points": [
                [-299_500_000, -713_500_000],
                [-299_500_000, -713_300_000],
                [-299_600_000, -713_400_000],
            ],
        },
    ],
    "broker": {"host": "broker.example", "port": 8_883},
}

JSON_SAMPLES: dict[str, tuple[msgspec.Struct, bytes]] = {
    "event": (
        m.Event(
            stream="77",
            seq=3,
            recorded_at_ms=1_795_341_600_123,
            body=e.PowerFailing(at_ms=AT_MS),
            quality="gnss",
        ),
        (
            b'{"stream":"77","seq":3,"recorded_at_ms":1795341600123,"body":{"type":"power_failing",'
            b'"at_ms":1795341600000},"quality":"gnss","v":1}'
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
    "state_full": (
        m.State(
            version="0.1.0",
            boot=4,
            receiver="ok",
            spooled=0,
            settings=3,
            route_revision=2,
            refused=(4, "values.live_every_s: is below 0; correct the value"),
            chosen="roof",
            jamming="warning",
            spoofing="none",
            antenna="ok",
            clock="gnss",
            spool="degraded",
            is_on_duty=False,
            sent_bytes=48_213,
            heard_bytes=1_190,
            processor_celsius=51.5,
        ),
        (
            b'{"version":"0.1.0","boot":4,"receiver":"ok","spooled":0,"settings":3,"route_re'
            b'vision":2,"refused":[4,"values.live_every_s: is below 0; correct the value"],"'
            b'chosen":"roof","jamming":"warning","spoofing":"none","antenna":"ok","clock":"g'
            b'nss","spool":"degraded","is_on_duty":false,"sent_bytes":48213,"heard_bytes":11'
            b'90,"processor_celsius":51.5,"v":1}'
        ),
    ),
    "result_with_data": (
        m.Result(command="c-2", status="done", data={"spooled": 3}),
        (b'{"command":"c-2","status":"done","detail":"","v":1,"data":{"spooled":3}}'),
    ),
    "desired_all": (
        m.Desired(settings=3, values=DESIRED_VALUES),
        (
            b'{"settings":3,"values":{"live_every_s":10.0,"batch_wait_s":600.0,"is_metered":'
            b'true,"history_bytes_a_second":2000,"keeping":{"error_m":3.0,"turn_deg":15.0,"h'
            b'eartbeat_s":30.0},"shifts":[{"from_ms":1795341600000,"to_ms":1795377600000}],"'
            b'geofences":[{"geofence":"yard","points":[[-299027315,-712520114]],"radius_m":8'
            b'0.0},{"geofence":"port","points":[[-299500000,-713500000],[-299500000,-7133000'
            b'00],[-299600000,-713400000]]}],"broker":{"host":"broker.example","port":8883}}'
            b',"v":1}'
        ),
    ),
    "renewal": (
        n.Renewal(in_use="3f", csr="-----BEGIN CERTIFICATE REQUEST-----"),
        (b'{"in_use":"3f","csr":"-----BEGIN CERTIFICATE REQUEST-----","v":1}'),
    ),
    "certificate": (
        n.Certificate(
            serial="40",
            pem="-----BEGIN CERTIFICATE-----",
            authority="-----BEGIN CERTIFICATE-----",
            issued_at_ms=AT_MS,
            expires_at_ms=AT_MS + 1,
        ),
        (
            b'{"serial":"40","pem":"-----BEGIN CERTIFICATE-----","authority":"-----BEGIN CER'
            b'TIFICATE-----","issued_at_ms":1795341600000,"expires_at_ms":1795341600001,"v":'
            b"1}"
        ),
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

"""Home Assistant's MQTT discovery: each van, where it is wanted, is a ``device_tracker``. Pure.

https://www.home-assistant.io/integrations/device_tracker.mqtt/. The discovery messages stand below
the feed, so that who may read a tenant's feed may read them and no more; Home Assistant is told
that prefix, or a bridge takes it off. The position itself is the attributes' topic.
"""

from typing import Final

from wire import __version__, codec, feed, topics

_ATTRIBUTES: Final = (
    "{{ {'latitude': value_json.lat, 'longitude': value_json.lon, "
    "'speed_mps': value_json.speed_mps, 'course_deg': value_json.course_deg, "
    "'fix_time': value_json.fix_time} | tojson }}"
)


def tracker_topic(tenant: str, carrier: str, van: str) -> str:
    """Where the discovery message of a van is retained."""
    return topics.feed("tracker", tenant=tenant, carrier=carrier, van=van)


def tracker_config(tenant: str, carrier: str, van: str) -> bytes:
    """The discovery message of a van: its id, and where its position stands."""
    unique = f"roundsman_{tenant}_{van}"
    told = feed.Tracker(
        unique_id=unique,
        object_id=unique,
        source_type="gps",
        json_attributes_topic=topics.feed_position(tenant, carrier, van),
        json_attributes_template=_ATTRIBUTES,
        device=feed.TrackerDevice(
            identifiers=(unique,),
            name=van,
            manufacturer="Roundsman",
            model="van",
            sw_version=__version__,
        ),
        origin=feed.TrackerOrigin(name="Roundsman", sw_version=__version__),
    )
    return codec.encode(told)

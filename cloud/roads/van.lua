-- How a delivery van drives, for OSRM (profile API 4).
--
-- Own rules, on two functions of the wheel's library: road classes and turn lanes, which guidance
-- needs in the form OSRM knows. The table `van`, the ways `opened` and the library's path are written
-- above this text when a city is imported (cloud/roads/profile.py).

api_version = 4

local set_classification = require("lib/guidance").set_classification
local get_turn_lanes = require("lib/guidance").get_turn_lanes

-- Free speed in km/h where no sign says otherwise, and how gladly it is taken.
local STREETS = {
  motorway = { 95, 1.0 }, motorway_link = { 50, 1.0 },
  trunk = { 80, 1.0 }, trunk_link = { 45, 1.0 },
  primary = { 60, 1.0 }, primary_link = { 35, 1.0 },
  secondary = { 52, 1.0 }, secondary_link = { 30, 1.0 },
  tertiary = { 40, 1.0 }, tertiary_link = { 25, 1.0 },
  unclassified = { 28, 0.95 }, residential = { 25, 0.9 }, road = { 25, 0.9 },
  living_street = { 10, 0.8 }, pedestrian = { 7, 0.7 }, service = { 14, 0.7 },
}
-- Of a sign's speed a loaded van keeps this share on the streets that are built for it.
local KEPT = 0.85
local THROUGH = {
  motorway = true, trunk = true, primary = true, secondary = true, tertiary = true,
}
local SLOW_SERVICE = {
  alley = 8, driveway = 8, parking_aisle = 8, ["drive-through"] = 6, emergency_access = 0,
}
local SURFACE = {
  compacted = 50, fine_gravel = 45, gravel = 35, unpaved = 35, ground = 30, dirt = 30,
  pebblestone = 30, sett = 30, cobblestone = 25, unhewn_cobblestone = 15, earth = 20, grass = 15,
  sand = 12, mud = 8, wood = 30, clay = 20, rocky = 10, stone = 15,
}
local SMOOTHNESS = { bad = 30, very_bad = 15, horrible = 8, very_horrible = 0, impassable = 0 }
local TRACKTYPE = { grade3 = 25, grade4 = 18, grade5 = 10 }
local ALLOWED = { yes = true, permissive = true, designated = true, hov = true, customers = true }
-- A van may deliver there; nobody drives through.
local DELIVERED = {
  delivery = true, destination = true, private = true, permit = true, residents = true,
}
local PASSABLE = {
  cattle_grid = true, border_control = true, toll_booth = true, entrance = true, no = true,
  sally_port = true, arch = true, kerb = true, height_restrictor = true,
}
local GATE_S = { gate = 45, lift_gate = 20, swing_gate = 45 }
local SIGNAL_S, STOP_S, YIELD_S = 6, 4, 2
local TURN_S, U_TURN_S, ACROSS_S, INTO_DELIVERY_WEIGHT_S = 6.0, 20.0, 2.5, 240.0

function setup()
  return {
    properties = {
      weight_name = "van",
      max_speed_for_map_matching = 140 / 3.6,
      process_call_tagless_node = false,
      u_turn_penalty = U_TURN_S,
      continue_straight_at_waypoint = true,
      use_turn_restrictions = true,
    },
    default_mode = mode.driving,
    restrictions = Sequence { "goods", "motorcar", "motor_vehicle", "vehicle" },
    classes = Sequence { "toll", "motorway", "ferry", "restricted" },
    suffix_list = {},
    relation_types = Sequence {},
  }
end

local function number_in(text, pattern)
  return text and tonumber(text:gsub(",", "."):match(pattern or "%d+%.?%d*"))
end

-- Metres of a sign such as 2.8, "2.8 m", 9'6".
local function metres(text)
  if not text then return nil end
  local feet, inches = text:match("^(%d+)'%s*(%d*)")
  if feet then return tonumber(feet) * 0.3048 + (tonumber(inches) or 0) * 0.0254 end
  local value = number_in(text)
  return value and (text:match("ft") and value * 0.3048 or value)
end

-- Kilograms of a sign such as 3.5, "3.5 t", "3500 kg", "7700 lbs".
local function kilograms(text)
  local value = number_in(text)
  if not value then return nil end
  if text:match("lbs") then return value * 0.4536 end
  if text:match("kg") then return value end
  return value * 1000
end

local function kmh(text)
  if not text then return nil end
  if text == "walk" then return 7 end
  local value = number_in(text, "^%d+%.?%d*")
  return value and (text:match("mph") and value * 1.609 or value)
end

local function smallest(way, read, ...)
  local found
  for _, key in ipairs({ ... }) do
    local value = read(way:get_value_by_key(key))
    if value and (not found or value < found) then found = value end
  end
  return found
end

local function fits(way)
  local height = smallest(way, metres, "maxheight", "maxheight:physical")
  local width = smallest(way, metres, "maxwidth", "maxwidth:physical")
  local length = smallest(way, metres, "maxlength")
  local weight = smallest(way, kilograms, "maxweight", "maxweightrating")
  return not (height and height < van.height_m) and not (width and width < van.width_m)
    and not (length and length < van.length_m) and not (weight and weight < van.weight_kg)
end

-- What the sign for such a vehicle says, the most special one first.
local function access_of(object)
  if van.weight_kg > 3500 then
    local heavy = object:get_value_by_key("hgv")
    if heavy then return heavy end
  end
  return object:get_value_by_key("goods") or object:get_value_by_key("motorcar")
    or object:get_value_by_key("motor_vehicle") or object:get_value_by_key("vehicle")
    or object:get_value_by_key("access")
end

local function directions(way, highway)
  local oneway = way:get_value_by_key("oneway")
  local junction = way:get_value_by_key("junction")
  if oneway == "-1" or oneway == "reverse" then return false, true end
  if oneway == "yes" or oneway == "1" or oneway == "true" then return true, false end
  if oneway == "reversible" then return false, false end
  if oneway ~= "no" and (highway == "motorway" or junction == "roundabout" or junction == "circular")
  then
    return true, false
  end
  return true, true
end

local function least(speed, ...)
  for _, bound in pairs({ ... }) do
    if bound < speed then speed = bound end
  end
  return speed
end

local function speed_of(way, highway, direction)
  local speed = STREETS[highway][1]
  local sign = kmh(way:get_value_by_key("maxspeed:" .. direction))
    or kmh(way:get_value_by_key("maxspeed"))
  if sign and sign > 0 then
    local kept = sign * KEPT
    speed = THROUGH[highway] and math.min(kept, 110) or math.min(speed, kept)
  end
  local function bound(by, key) return by[way:get_value_by_key(key) or ""] or speed end
  speed = least(speed, bound(SLOW_SERVICE, "service"), bound(SURFACE, "surface"),
    bound(SMOOTHNESS, "smoothness"), bound(TRACKTYPE, "tracktype"), van.top_kmh)
  local lanes, width = number_in(way:get_value_by_key("lanes")), metres(way:get_value_by_key("width"))
  if (lanes == 1 or (width and width < 3.5)) and not THROUGH[highway] then
    local there, back = directions(way, highway)
    if there and back then speed = speed * 0.75 end
  end
  return speed
end

local function ferry(way, result)
  local duration = way:get_value_by_key("duration")
  result.forward_mode, result.backward_mode = mode.ferry, mode.ferry
  result.forward_speed, result.backward_speed = 8, 8
  result.forward_rate, result.backward_rate = 8 / 3.6, 8 / 3.6
  if duration and durationIsValid(duration) then
    result.duration = math.max(parseDuration(duration), 1)
    result.weight = result.duration
  end
  result.forward_classes["ferry"], result.backward_classes["ferry"] = true, true
end

local function name_it(way, result, highway)
  result.name = way:get_value_by_key("name") or ""
  local ref, destination = way:get_value_by_key("ref"), way:get_value_by_key("destination")
  if ref then result.ref = canonicalizeStringList(ref, ";") end
  if destination then result.destinations = canonicalizeStringList(destination, ";") end
  local junction = way:get_value_by_key("junction")
  result.roundabout = junction == "roundabout"
  result.circular = junction == "circular"
  set_classification(highway, result, way)
  local forward, backward = get_turn_lanes(way, {})
  if forward then result.turn_lanes_forward = forward end
  if backward then result.turn_lanes_backward = backward end
  result.is_left_hand_driving = way:is_left_hand_traffic() == true
end

function process_way(profile, way, result, relations)
  local highway, route = way:get_value_by_key("highway"), way:get_value_by_key("route")
  local is_ferry = route == "ferry"
  -- Closed but for some hours of the week: who delivers there comes at those.
  local is_opened = opened[way:id()] == true
  if not is_ferry and not STREETS[highway or ""] then return end
  if highway == "pedestrian" and not is_opened then return end
  local access = is_opened and "delivery" or access_of(way)
  if is_ferry and not (access and (ALLOWED[access] or DELIVERED[access])) then return end
  if access and not ALLOWED[access] and not DELIVERED[access] then return end
  if way:get_value_by_key("area") == "yes" or way:get_value_by_key("impassable") == "yes" then return end
  if not fits(way) then return end
  if is_ferry then
    ferry(way, result)
    result.name = way:get_value_by_key("name") or ""
    return
  end
  local there, back = directions(way, highway)
  local forward, backward = speed_of(way, highway, "forward"), speed_of(way, highway, "backward")
  local is_delivered = access ~= nil and DELIVERED[access] == true
  local liked = STREETS[highway][2]
  result.forward_mode = there and forward > 0 and mode.driving or mode.inaccessible
  result.backward_mode = back and backward > 0 and mode.driving or mode.inaccessible
  result.forward_speed, result.backward_speed = math.max(forward, 1), math.max(backward, 1)
  result.forward_rate, result.backward_rate = liked * forward / 3.6, liked * backward / 3.6
  result.forward_restricted, result.backward_restricted = is_delivered, is_delivered
  result.is_startpoint = true
  for class, holds in pairs({
    toll = way:get_value_by_key("toll") == "yes", motorway = highway == "motorway",
    restricted = is_delivered,
  }) do
    if holds then result.forward_classes[class], result.backward_classes[class] = true, true end
  end
  name_it(way, result, highway)
end

local function blocks(node, barrier)
  local access = access_of(node)
  if access then return not ALLOWED[access] and not DELIVERED[access] end
  if barrier == "bollard" then return node:get_value_by_key("bollard") ~= "rising" end
  if barrier == "height_restrictor" then
    local height = metres(node:get_value_by_key("maxheight"))
    return height ~= nil and height < van.height_m
  end
  return not PASSABLE[barrier] and not GATE_S[barrier]
end

local WAITS_S = { traffic_signals = SIGNAL_S, stop = STOP_S, give_way = YIELD_S }

function process_node(profile, node, result, relations)
  local barrier = node:get_value_by_key("barrier")
  if barrier and blocks(node, barrier) then
    obstacle_map:add(node, Obstacle.new(obstacle_type.barrier))
  elseif barrier and GATE_S[barrier] then
    local wait_s = GATE_S[barrier]
    obstacle_map:add(node, Obstacle.new(obstacle_type.gate, obstacle_direction.both, wait_s, wait_s))
  end
  local sign = node:get_value_by_key("highway")
  local wait_s = sign and WAITS_S[sign]
  if wait_s then
    local facing = node:get_value_by_key("traffic_signals:direction")
      or node:get_value_by_key("direction")
    local direction = facing and obstacle_direction[facing] or obstacle_direction.none
    obstacle_map:add(node, Obstacle.new(obstacle_type[sign], direction, wait_s, wait_s))
  end
end

function process_turn(profile, turn)
  local seconds = 0
  for _, obstacle in pairs(obstacle_map:get(turn.from, turn.via)) do
    seconds = seconds + obstacle.duration
  end
  if turn.is_u_turn then
    seconds = seconds + U_TURN_S
  elseif turn.number_of_roads > 2 then
    -- Nothing straight on, all of it back where one came from.
    seconds = seconds + TURN_S * (1 - math.cos(math.rad(turn.angle))) / 2
    local is_across = turn.is_left_hand_driving and turn.angle > 30
      or not turn.is_left_hand_driving and turn.angle < -30
    if is_across and not turn.source_is_roundabout then seconds = seconds + ACROSS_S end
  end
  turn.duration = seconds
  turn.weight = seconds
  if turn.target_restricted and not turn.source_restricted then
    turn.weight = seconds + INTO_DELIVERY_WEIGHT_S
  end
end

return {
  setup = setup, process_way = process_way, process_node = process_node, process_turn = process_turn,
}

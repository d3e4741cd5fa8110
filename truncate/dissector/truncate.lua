-- Wireshark dissector for IPv6 packet truncation (draft-leddy-6man-truncate).
--
--   tshark -X lua_script:truncate.lua -r FILE -Y truncate6
--
-- It reads the options in Destination Options headers. IANA never assigned their
-- types: the preferences say which ones are used. Quoted packets in ICMPv6 errors
-- are read too.

local truncate = Proto("truncate6", "IPv6 Packet Truncation")

truncate.prefs.eligible = Pref.uint("Option type of Truncation Eligible", 0x1e, "Decimal; action bits 00")
truncate.prefs.truncated = Pref.uint("Option type of Truncated Packet", 0x9e, "Decimal; action bits 10")
truncate.prefs.enhanced = Pref.uint("Option type of Enhanced Truncation Eligible", 0xbe, "Decimal; action bits 10, revision of 2018-09-28 only")

local kinds = { [1] = "Truncation Eligible", [2] = "Truncated Packet", [3] = "Enhanced Truncation Eligible" }
local lengths = { 0, 0, 3 }

local f_kind = ProtoField.uint8("truncate6.kind", "Kind", base.DEC, kinds)
local f_type = ProtoField.uint8("truncate6.type", "Option Type", base.HEX)
local f_len = ProtoField.uint8("truncate6.len", "Opt Data Len", base.DEC)
local f_opl = ProtoField.uint16("truncate6.opl", "Original Payload Length", base.DEC)
local f_t = ProtoField.bool("truncate6.t", "Truncated", 8, nil, 0x80)
local f_cut = ProtoField.uint32("truncate6.cut", "Length after truncation", base.DEC)
truncate.fields = { f_kind, f_type, f_len, f_opl, f_t, f_cut }

local e_len = ProtoExpert.new("truncate6.bad_len", "Opt Data Len is wrong", expert.group.MALFORMED, expert.severity.ERROR)
local e_mixed = ProtoExpert.new("truncate6.mixed", "Two kinds of truncation option in one header", expert.group.PROTOCOL, expert.severity.ERROR)
local e_short = ProtoExpert.new("truncate6.short", "Marked as truncated, yet shorter than 1280 bytes", expert.group.PROTOCOL, expert.severity.ERROR)
local e_frag = ProtoExpert.new("truncate6.fragment", "Truncation option beside a Fragment header", expert.group.PROTOCOL, expert.severity.ERROR)
truncate.experts = { e_len, e_mixed, e_short, e_frag }

local x_opts = Field.new("ipv6.dstopts")
local x_plen = Field.new("ipv6.plen")
local x_frag = Field.new("ipv6.fraghdr")

-- payload_length returns the Payload Length of the packet that a header at this
-- offset is part of: the last fixed header before it.
local function payload_length(offset)
  local found
  for _, plen in ipairs({ x_plen() }) do
    if plen.offset < offset then found = plen.value end
  end
  return found
end

-- read adds one option to the tree and returns its kind.
local function read(tree, range, kind, offset)
  local length = range:range(1, 1):uint()
  local item = tree:add(truncate, range, "IPv6 Packet Truncation: " .. kinds[kind])
  item:add(f_kind, range:range(0, 1), kind)
  item:add(f_type, range:range(0, 1))
  local len_item = item:add(f_len, range:range(1, 1))
  if length ~= lengths[kind] then
    len_item:add_proto_expert_info(e_len)
    return
  end
  local cut = kind == 2
  if kind == 3 then
    item:add(f_opl, range:range(2, 2))
    item:add(f_t, range:range(4, 1))
    cut = range:range(4, 1):bitfield(0, 1) == 1
  end
  if #{ x_frag() } > 0 then item:add_proto_expert_info(e_frag) end
  local plen = payload_length(offset)
  if cut and plen then
    local total = item:add(f_cut, plen + 40)
    total:set_generated()
    item:append_text(", cut to " .. plen + 40 .. " bytes")
    if plen + 40 < 1280 then item:add_proto_expert_info(e_short) end
  end
end

function truncate.dissector(_, _, tree)
  local by_type = {
    [truncate.prefs.eligible] = 1,
    [truncate.prefs.truncated] = 2,
    [truncate.prefs.enhanced] = 3,
  }
  for _, header in ipairs({ x_opts() }) do
    local range, seen = header.range, nil
    local at = 2
    while at < range:len() do
      local typ = range:range(at, 1):uint()
      if typ == 0 then
        at = at + 1
      else
        if at + 2 > range:len() then break end
        local length = range:range(at + 1, 1):uint()
        if at + 2 + length > range:len() then break end
        local kind = by_type[typ]
        if kind then
          read(tree, range:range(at, 2 + length), kind, header.offset)
          if seen and seen ~= kind then tree:add_proto_expert_info(e_mixed) end
          seen = kind
        end
        at = at + 2 + length
      end
    end
  end
end

register_postdissector(truncate, true)

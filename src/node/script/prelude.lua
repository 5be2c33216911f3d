-- The world of scripts: what stands in `real` is all there is, and none of it can be changed. Lua 5.1 has no table that cannot be
-- changed, so scripts see a stand-in with nothing in it, which looks things up in the real one.

local real, redis, loading, compiled, handler, raised, shown, random, seed = ...

local rawset, rawget, setmetatable, getmetatable, error, type, next, raw_pcall, raw_xpcall =
    rawset, rawget, setmetatable, getmetatable, error, type, next, pcall, xpcall

-- Stand-ins and what they stand for.
local stands_for = setmetatable({}, { __mode = "k" })

local function refuse()
    error("Attempt to modify a readonly table", 2)
end

local function protect(table)
    local stand_in = setmetatable({}, { __index = table, __newindex = refuse })
    stands_for[stand_in] = table
    return stand_in
end

for _, name in ipairs({
    "assert", "collectgarbage", "coroutine", "error", "gcinfo", "getmetatable", "ipairs", "load", "loadstring", "math", "next",
    "pairs", "pcall", "rawequal", "rawget", "rawset", "select", "setmetatable", "string", "table", "tonumber", "tostring", "type",
    "unpack", "xpcall", "_VERSION",
}) do
    real[name] = _G[name]
end

math.random = random
math.randomseed = seed

local insert = table.insert
function table.insert(table, ...)
    if stands_for[table] then error("Attempt to modify a readonly table", 0) end
    return insert(table, ...)
end

for _, name in ipairs({ "string", "table", "math", "coroutine", "bit", "cjson", "cmsgpack", "struct" }) do
    if real[name] then real[name] = protect(real[name]) end
end
real.redis = protect(redis)
getmetatable("").__index = real.string

local missing = {
    __index = function(_, name)
        error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
    end,
}
setmetatable(real, missing)
local meta = { __index = real, __newindex = refuse }
local world = setmetatable({}, meta)
stands_for[world] = real
real._G = world

function real.getmetatable(value)
    if stands_for[value] and value ~= world then return nil end
    if value == world then return protect({}) end
    return getmetatable(value)
end

function real.setmetatable(table, meta)
    if stands_for[table] then error("Attempt to modify a readonly table", 0) end
    return setmetatable(table, meta)
end

function real.rawset(table, key, value)
    if stands_for[table] then error("Attempt to modify a readonly table", 0) end
    return rawset(table, key, value)
end

function real.rawget(table, key)
    return rawget(stands_for[table] or table, key)
end

function real.next(table, key)
    return next(stands_for[table] or table, key)
end

function real.pairs(table)
    if type(table) ~= "table" then error("bad argument #1 to 'pairs' (table expected, got " .. type(table) .. ")", 2) end
    return next, stands_for[table] or table, nil
end

-- Errors are tables; who catches one gets its text, as before Redis 7.
local function caught(ok, first, ...)
    if ok then return true, first, ... end
    return false, raised(first)
end

function real.pcall(f, ...)
    return caught(raw_pcall(f, ...))
end

function real.xpcall(f, handler)
    return raw_xpcall(f, function(failure) return handler(shown(failure)) end)
end

local function with_world(loader)
    return function(...)
        local chunk, reason = loader(...)
        if not chunk then return nil, reason end
        return setfenv(chunk, world)
    end
end
local raw_loadstring, raw_load, byte = loadstring, load, string.byte

-- What is compiled already might be anything: only text is loaded.
real.loadstring = with_world(function(text, ...)
    if type(text) == "string" and byte(text) == 27 then return nil, "attempt to load a binary chunk" end
    return raw_loadstring(text, ...)
end)
real.load = with_world(function(reader, ...)
    local first = true
    return raw_load(function()
        local piece = reader()
        if first and type(piece) == "string" and byte(piece) == 27 then error("attempt to load a binary chunk", 0) end
        first = first and piece == ""
        return piece
    end, ...)
end)

local function run(number, keys, arguments)
    real.KEYS, real.ARGV = keys, arguments
    return raw_xpcall(compiled[number], handler)
end

local function call(number, keys, arguments)
    local chunk = compiled[number]
    return raw_xpcall(function() return chunk(keys, arguments) end, handler)
end

-- While a library is loaded there is nothing but a small `redis`.
local register = loading.register_function
function loading.register_function(...)
    local number, chunk = register(...)
    compiled[number] = chunk
end
local library = setmetatable({ redis = protect(setmetatable(loading, missing)) }, missing)

local function load(chunk)
    meta.__index = library
    local ok, failure = raw_xpcall(chunk, handler)
    meta.__index = real
    return ok, failure
end

return world, run, call, load

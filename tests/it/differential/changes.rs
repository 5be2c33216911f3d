//! `rdb_changes_since_last_save`: as how many changes commands count, beside redis-server. Save points go by it.

use std::time::Duration;

use cluster_fixture::{Server, node, redis_server};
use redis_cluster::{
    client::Connection,
    protocol::{info, quote},
};

const TIMEOUT: Duration = Duration::from_secs(20);

/// Run one after the other.
const COMMANDS: &str = r##"
SET a 1
SET a 2 KEEPTTL
SETNX a 1
SETNX b 1
MSET c 1 d 2 e 3
MSETNX c 1 z 2
MSETNX m1 1 m2 2
GETSET a 9
GETDEL b
GETEX a EX 100
GETEX a PERSIST
GETEX a PERSIST
GETEX a
APPEND a x
SETRANGE a 1 yy
INCR n
INCRBYFLOAT n 1.5
SETBIT bits 7 1
SETBIT bits 7 1
BITFIELD bits SET u8 0 1 SET u8 8 2 GET u8 0
BITOP NOT dest bits
BITOP NOT dest nothere
PFADD hll a b c
PFADD hll a b c
PFADD hll2 x
PFMERGE hll hll2
PFCOUNT hll
DEL c d nothere
UNLINK e
EXPIRE a 100
EXPIRE a 100 NX
PERSIST a
PERSIST a
EXPIRE a -1
RENAME n n2
RENAMENX n2 n3
COPY n3 n4
COPY n3 n4 REPLACE
RPUSH l a b c d e f
LPUSH l x y
RPUSHX l z
RPUSHX nothere z
LPUSHX l z q
LSET l 0 zz
LINSERT l BEFORE a new
LREM l 0 x
LPOP l
LPOP l 2
RPOP l 2
LTRIM l 1 -2
LTRIM l 0 -1
RPOPLPUSH l l2
LMOVE l l2 LEFT LEFT
LMOVE l2 l2 LEFT RIGHT
LMPOP 1 l2 LEFT COUNT 5
LPOP l 100
RPUSH l 1 2 3
LTRIM l 5 6
RPUSH l 1 2 3
SORT l STORE sorted
SORT nothere STORE sorted
LPOP nothere
SADD s a b c d e
SADD s a
SREM s a b q
SMOVE s s2 c
SMOVE s s2 nothere
SPOP s
SADD s a b c d e f
SPOP s 2
SPOP s 100
SADD s 1 2 3
SADD s2 1 2
SINTERSTORE out s s2
SUNIONSTORE out s s2
SDIFFSTORE out s s
SDIFFSTORE out s s
HSET h a 1 b 2
HSET h a 1 b 2
HSETNX h a 1
HSETNX h c 1
HMSET h d 1 e 2
HINCRBY h a 1
HINCRBYFLOAT h a 1.5
HDEL h a b nothere
HDEL h c d e
ZADD z 1 a 2 b 3 c
ZADD z 1 a 2 b 4 c
ZADD z NX 1 a
ZADD z XX 1 q
ZADD z INCR 1 a
ZADD z 5 e 6 f 7 g 8 h
ZINCRBY z 1 a
ZREM z a q
ZREM z b c
ZREMRANGEBYRANK z 0 1
ZREMRANGEBYSCORE z 7 7
ZPOPMIN z
ZADD z 5 e 6 f 7 g 8 h
ZPOPMAX z 2
ZMPOP 1 z MIN COUNT 5
ZADD z 0 a 0 b 0 c
ZREMRANGEBYLEX z [a [b
ZADD z2 1 a
ZUNIONSTORE zout 2 z z2
ZINTERSTORE zout 2 z z2
ZDIFFSTORE zout 2 z z
ZRANGESTORE zout z 0 -1
ZRANGESTORE zout nothere 0 -1
GEOADD g 13.361389 38.115556 P 15.087269 37.502669 C
GEOADD g 13.361389 38.115556 P
GEOSEARCHSTORE gout g FROMLONLAT 15 37 BYRADIUS 200 km
GEOSEARCHSTORE gout g FROMLONLAT 0 0 BYRADIUS 1 km
XADD x 1-1 a 1
XADD x 1-2 a 1
XADD x 1-3 a 1
XADD x MAXLEN 3 1-4 a 1
XTRIM x MAXLEN 2
XTRIM x MAXLEN 2
XADD x 2-1 a 1
XADD x 2-2 a 1
XDEL x 2-1 9-9
XGROUP CREATE x gr 0
XGROUP CREATE xnew gr 0 MKSTREAM
XGROUP CREATECONSUMER x gr c1
XGROUP CREATECONSUMER x gr c1
XREADGROUP GROUP gr c1 COUNT 1 STREAMS x >
XREADGROUP GROUP gr c2 COUNT 5 STREAMS x >
XREADGROUP GROUP gr c3 COUNT 5 STREAMS x >
XREADGROUP GROUP gr c1 STREAMS x 0
XCLAIM x gr c2 0 1-3 1-4
XAUTOCLAIM x gr c1 0 0
XACK x gr 1-3 9-9
XGROUP SETID x gr 0
XGROUP DELCONSUMER x gr c2
XGROUP DELCONSUMER x gr c9
XGROUP DESTROY x gr
XGROUP DESTROY x gr
XSETID x 99-1
TOUCH x
OBJECT ENCODING x
EVAL "redis.call('set','q','1') redis.call('sadd','s','k1','k2')" 0
EVAL "return 1" 0
FUNCTION LOAD "#!lua name=lib\nredis.register_function('f', function() return 1 end)"
FUNCTION LOAD REPLACE "#!lua name=lib\nredis.register_function('f', function() return 1 end)"
FCALL f 0
FUNCTION DELETE lib
FUNCTION FLUSH
SWAPDB 0 1
SWAPDB 0 1
SCRIPT LOAD "return 1"
SET str hello
SELECT 2
SET a 1
SET b 1
FLUSHDB
FLUSHDB
SELECT 0
SET left 1
FLUSHALL
FLUSHALL
"##;

struct Counting {
    connection: Connection,
    before: u64,
}

impl Counting {
    async fn of(server: &Server) -> Self {
        Self { connection: Connection::connect(&server.address(), TIMEOUT).await.unwrap(), before: 0 }
    }

    /// Runs a command; as how many changes it counts, and what it answered if that is an error.
    async fn run(&mut self, line: &str) -> (u64, Option<String>) {
        let words = quote::split(line.as_bytes()).unwrap();
        let reply = self.connection.call(&words).await.unwrap();
        let text = self.connection.call(&["INFO", "persistence"]).await.unwrap();
        let text = String::from_utf8_lossy(text.as_bytes().unwrap()).into_owned();
        let now = info::field(&text, "rdb_changes_since_last_save").unwrap().parse().unwrap();
        let counted = now - std::mem::replace(&mut self.before, now);
        (counted, reply.as_error().map(std::borrow::Cow::into_owned))
    }
}

#[tokio::test]
async fn commands_count_as_many_changes_as_in_redis() {
    let Some(theirs) = redis_server() else { return };
    let ours = node("changes");
    let (mut theirs, mut ours) = (Counting::of(&theirs).await, Counting::of(&ours).await);
    let mut others = Vec::new();
    for line in COMMANDS.trim().lines() {
        let (expected, found) = (theirs.run(line).await, ours.run(line).await);
        assert_eq!(found.1, None, "{line}");
        if expected != found {
            others.push(format!("{line}: {expected:?}, not {found:?}"));
        }
    }
    assert!(others.is_empty(), "{}", others.join("\n"));
}

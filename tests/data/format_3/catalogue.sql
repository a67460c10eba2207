BEGIN TRANSACTION;
CREATE TABLE dataset (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    last INTEGER NOT NULL DEFAULT 0
);
INSERT INTO "dataset" VALUES(1,'plants',6);
CREATE TABLE file (
    version INTEGER NOT NULL REFERENCES version(id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    provides TEXT,
    role TEXT NOT NULL DEFAULT 'rows',
    first INTEGER,
    PRIMARY KEY (version, position)
);
INSERT INTO "file" VALUES(1,0,'24810d2f7d6efff4cd00ed9033fd0fbbc28653c93c075aec3035f7c8400c1999',374,NULL,'rows',0);
INSERT INTO "file" VALUES(2,0,'24810d2f7d6efff4cd00ed9033fd0fbbc28653c93c075aec3035f7c8400c1999',374,NULL,'rows',0);
INSERT INTO "file" VALUES(2,1,'614358860335db849eaf97733302bd41c0def4294107a282dec08cf1248678f5',421,'["split"]','rows',NULL);
INSERT INTO "file" VALUES(4,0,'46bfd36dc854bf4b07bd8b081383c50ced82fc0b5e203485d2764517fa1368d1',361,NULL,'rows',0);
INSERT INTO "file" VALUES(5,0,'1eeefc27834be0da28012ca3d2ca0e70a6fe094a31e26bb98dc563c4ef3df84d',506,NULL,'rows',NULL);
INSERT INTO "file" VALUES(6,0,'24810d2f7d6efff4cd00ed9033fd0fbbc28653c93c075aec3035f7c8400c1999',374,NULL,'rows',0);
CREATE TABLE quality (
    id INTEGER PRIMARY KEY,
    version INTEGER NOT NULL REFERENCES version(id) ON DELETE CASCADE,
    time TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')),
    kind TEXT NOT NULL,
    score REAL,
    findings TEXT NOT NULL
);
CREATE TABLE tag (
    dataset INTEGER NOT NULL REFERENCES dataset(id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    version INTEGER NOT NULL REFERENCES version(id) ON DELETE CASCADE,
    PRIMARY KEY (dataset, name)
);
INSERT INTO "tag" VALUES(1,'raw',1);
CREATE TABLE version (
    id INTEGER PRIMARY KEY,
    dataset INTEGER NOT NULL REFERENCES dataset(id) ON DELETE CASCADE,
    n INTEGER NOT NULL,
    created TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now')),
    op TEXT NOT NULL,
    params TEXT NOT NULL,
    parents TEXT NOT NULL,
    rows INTEGER NOT NULL,
    columns TEXT NOT NULL,
    task TEXT, target TEXT, inputs TEXT,
    author TEXT NOT NULL DEFAULT '',
    UNIQUE (dataset, n)
);
INSERT INTO "version" VALUES(1,1,1,'2026-11-25T17:36:27Z','import','{"source": "plants.csv"}','[]',6,'[["height", "DOUBLE", null], ["kind", "VARCHAR", null]]','tabular-classification','kind','["height"]','anna');
INSERT INTO "version" VALUES(2,1,2,'2026-11-25T17:36:28Z','split','{"way": "stratified", "validation": 0.2, "test": 0.2, "seed": 0, "by": "kind", "group": null, "rows": {"train": 4, "validation": 1, "test": 1}}','["plants@1"]',6,'[["height", "DOUBLE", null], ["kind", "VARCHAR", null], ["split", "VARCHAR", null]]','tabular-classification','kind','["height"]','anna');
INSERT INTO "version" VALUES(4,1,4,'2026-11-25T17:36:28Z','import','{"source": "others.csv"}','[]',2,'[["height", "DOUBLE", null], ["kind", "VARCHAR", null]]',NULL,NULL,NULL,'anna');
INSERT INTO "version" VALUES(5,1,5,'2026-11-25T17:36:28Z','clean','{}','["plants@3"]',2,'[["height", "DOUBLE", null], ["kind", "VARCHAR", null]]',NULL,NULL,NULL,'anna');
INSERT INTO "version" VALUES(6,1,6,'2026-11-25T17:36:28Z','restore','{}','["plants@1"]',6,'[["height", "DOUBLE", null], ["kind", "VARCHAR", null]]','tabular-classification','kind','["height"]','anna');
CREATE INDEX file_sha256 ON file(sha256);
CREATE INDEX quality_version ON quality(version);
COMMIT;
PRAGMA user_version = 3;

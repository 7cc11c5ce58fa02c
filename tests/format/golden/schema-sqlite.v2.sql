PRAGMA application_id = 1633972345;
PRAGMA user_version = 2;
CREATE TABLE blobs (
    hub TEXT NOT NULL, instance_id TEXT NOT NULL, key TEXT NOT NULL, taken INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (hub, instance_id, key)
);
CREATE TABLE hubs (
    hub TEXT PRIMARY KEY, format_version INTEGER NOT NULL, queue_count INTEGER NOT NULL, signing_key BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE inbox (
    hub TEXT NOT NULL, instance_id TEXT NOT NULL, key TEXT NOT NULL, taken INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (hub, instance_id, key)
) WITHOUT ROWID;
CREATE TABLE instances (
    hub TEXT NOT NULL, instance_id TEXT NOT NULL, etag TEXT NOT NULL,
    kind TEXT NOT NULL, name TEXT NOT NULL, runtime_status TEXT NOT NULL,
    created_time INTEGER NOT NULL, last_updated_time INTEGER NOT NULL,
    execution_id TEXT NOT NULL, turn_id TEXT NOT NULL, generation INTEGER NOT NULL, completed_time INTEGER,
    custom_status TEXT, input TEXT, input_payload TEXT, output TEXT, output_payload TEXT,
    version TEXT, tags TEXT, parent_instance_id TEXT, wake_time INTEGER, has_outbox INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (hub, instance_id)
);
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, visible_at INTEGER NOT NULL,
    dequeue_count INTEGER NOT NULL, receipt INTEGER NOT NULL, inserted INTEGER NOT NULL, owner TEXT, body TEXT NOT NULL
);
CREATE INDEX messages_by_visibility ON messages (queue, visible_at, id);

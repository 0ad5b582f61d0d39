// Package kafka drives tasks over Apache Kafka: group membership decides which
// process runs which task, a transactional producer per task fences whoever
// ran it before, and alerts, journal and progress are one transaction.
//
// It owns every contact of the engine with a broker: topics of our own, the
// consumer group, reading a source partition, the journal, the progress record
// and the log of rules. It refuses to know what a rule means: a task is driven
// through engine/task. The caller is cmd/caltrop.
package kafka

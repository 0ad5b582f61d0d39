package kafka

import (
	"fmt"
	"strings"
	"testing"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/twmb/franz-go/pkg/kfake"
)

// A grant is an operation on what begins with name.
type grant struct {
	kind ck.ResourceType
	name string
	op   ck.ACLOperation
}

func (g grant) binding() ck.ACLBinding {
	return ck.ACLBinding{Type: g.kind, Name: g.name, ResourcePatternType: ck.ResourcePatternTypePrefixed, Principal: "User:caltrop", Host: "*",
		Operation: g.op, PermissionType: ck.ACLPermissionTypeAllow}
}

// allow grants to the user of a job.
func (b *bench) allow(all ...grant) {
	b.t.Helper()
	for _, g := range all {
		results, err := b.admin().CreateACLs(testContext(b.t), ck.ACLBindings{g.binding()})
		if err == nil && results[0].Error.Code() != ck.ErrNoError {
			err = results[0].Error
		}
		if err != nil {
			b.t.Fatal(err)
		}
	}
}

// forbid takes away what was granted.
func (b *bench) forbid(g grant) {
	b.t.Helper()
	if _, err := b.admin().DeleteACLs(testContext(b.t), ck.ACLBindingFilters{ck.ACLBindingFilter(g.binding())}); err != nil {
		b.t.Fatal(err)
	}
}

// said is what the process says of its state.
func said(b *bench, e *Engine) string {
	s := e.Status()
	return fmt.Sprint(b.cluster.Waiting(), s.Ready())
}

// Each right that is taken away is named, and the tasks go on by themselves when it
// comes back. Topics that are there need not be created.
func TestARightThatIsLackedIsNamed(t *testing.T) {
	t.Parallel()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "payments"), kfake.EnableSASL(), kfake.EnableACLs(),
		kfake.Superuser("PLAIN", "admin", "secret"), kfake.User("PLAIN", "caltrop", "secret"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	as := func(user string) *Cluster {
		return openOptions(t, Options{Brokers: broker.ListenAddrs(), Job: "test", Settings: map[string]string{
			"security.protocol": "sasl_plaintext", "sasl.mechanisms": "PLAIN", "sasl.username": user, "sasl.password": "secret"}})
	}
	boss := benchOn(t, broker, as("admin"), streamText)
	b := &bench{t: t, broker: broker, cluster: as("caltrop")}
	prepared := make(chan error, 1)
	go func() { prepared <- b.cluster.Prepare(testContext(t)) }()
	b.until("words about the topics", func() bool {
		return strings.Contains(fmt.Sprint(b.cluster.Waiting()), "grant Create on topic caltrop.")
	})
	create := grant{ck.ResourceTopic, "caltrop.", ck.ACLOperationCreate}
	all := map[grant]string{
		{ck.ResourceTopic, "caltrop.", ck.ACLOperationRead}:            "grant Read on topic caltrop.",
		{ck.ResourceTopic, "caltrop.", ck.ACLOperationWrite}:           "grant Write on topic caltrop.",
		{ck.ResourceTopic, "payments", ck.ACLOperationRead}:            "grant Read on topic payments",
		{ck.ResourceGroup, "caltrop.test", ck.ACLOperationRead}:        "",
		{ck.ResourceTransactionalID, "caltrop.", ck.ACLOperationWrite}: "grant Write on transactional id caltrop.test.payment",
		{ck.ResourceTopic, "caltrop.", ck.ACLOperationDescribeConfigs}: "",
		create: "",
	}
	for g := range all {
		boss.allow(g)
	}
	if err := <-prepared; err != nil {
		t.Fatal(err)
	}
	b.readRules()
	e, _ := b.engine()
	boss.forbid(create)
	if err := b.cluster.Prepare(testContext(t)); err != nil {
		t.Errorf("topics that exist are to be created: %v", err)
	}
	if err := b.cluster.deleteRecords(testContext(t), "caltrop.alerts", 0, 0); err == nil || !strings.HasSuffix(err.Error(), "grant Delete on topic caltrop.alerts") {
		t.Errorf("records are deleted without the right: %v", err)
	}
	alerts := 0
	for g, want := range all {
		if want == "" {
			continue
		}
		boss.forbid(g)
		boss.produce(boss.fails(fmt.Sprint("c", alerts), 100*alerts)...)
		b.until(want, func() bool { return strings.Contains(said(b, e), want) })
		boss.allow(g)
		alerts++
		boss.wantAlerts(alerts)
		b.until("two live tasks", func() bool { return b.live(e) == 2 && b.cluster.Waiting() == nil })
	}
}

package policy

import (
	"strconv"
	"strings"
	"time"
)

// Context holds condition keys and their values. Names are best in lower case,
// as [Context.Set] writes them: a name in another case is found too, but by
// looking at all of them.
type Context map[string][]string

// Set replaces the values of a key.
func (c Context) Set(key string, values ...string) { c[strings.ToLower(key)] = values }

// search finds a key whose name is not in lower case, so that a caller's slip
// cannot make a deny's condition miss its key.
func (c Context) search(lower string) ([]string, bool) {
	for name, v := range c {
		if len(name) == len(lower) && strings.EqualFold(name, lower) {
			return v, true
		}
	}
	return nil, false
}

// keyID names a condition key that is computed from the request.
type keyID uint8

const (
	keyOther keyID = iota // only what a Context holds
	keyUsername
	keyUserID
	keyPrincipalARN
	keyPrincipalAccount
	keyPrincipalType
	keyPrincipalTag
	keySourceIdentity
	keyMFAPresent
	keyMFAAge
	keyTokenIssueTime
	keyIsAWSService
	keyServiceName
	keyServiceNames
	keyViaAWSService
	keyCalledVia
	keyCalledViaFirst
	keyCalledViaLast
	keyFederatedProvider
	keyResourceAccount
	keyCurrentTime
	keyEpochTime
)

var keyIDs = map[string]keyID{
	"aws:username":                  keyUsername,
	"aws:userid":                    keyUserID,
	"aws:principalarn":              keyPrincipalARN,
	"aws:principalaccount":          keyPrincipalAccount,
	"aws:principaltype":             keyPrincipalType,
	"aws:sourceidentity":            keySourceIdentity,
	"aws:multifactorauthpresent":    keyMFAPresent,
	"aws:multifactorauthage":        keyMFAAge,
	"aws:tokenissuetime":            keyTokenIssueTime,
	"aws:principalisawsservice":     keyIsAWSService,
	"aws:principalservicename":      keyServiceName,
	"aws:principalservicenameslist": keyServiceNames,
	"aws:viaawsservice":             keyViaAWSService,
	"aws:calledvia":                 keyCalledVia,
	"aws:calledviafirst":            keyCalledViaFirst,
	"aws:calledvialast":             keyCalledViaLast,
	"aws:federatedprovider":         keyFederatedProvider,
	"aws:resourceaccount":           keyResourceAccount,
	"aws:currenttime":               keyCurrentTime,
	"aws:epochtime":                 keyEpochTime,
}

const principalTagPrefix = "aws:principaltag/"

// keyRef is a condition key in a policy.
type keyRef struct {
	text string // as written
	name string // lower case
	id   keyID
	tag  string // lower case, of aws:PrincipalTag/tag
}

func makeKey(text string) keyRef {
	k := keyRef{text: text, name: strings.ToLower(text)}
	k.id = keyIDs[k.name]
	if tag, ok := strings.CutPrefix(k.name, principalTagPrefix); ok {
		k.id, k.tag = keyPrincipalTag, tag
	}
	return k
}

// values are a key's values; none means that the key is absent.
type values struct {
	one    string
	single bool
	many   []string
}

func oneValue(s string) values { return values{one: s, single: true} }

func presentValue(s string) values { return values{one: s, single: s != ""} }

func (v *values) len() int {
	if v.single {
		return 1
	}
	return len(v.many)
}

func (v *values) at(i int) string {
	if v.single {
		return v.one
	}
	return v.many[i]
}

// null reports whether every value is empty, which the set operators take for
// an absent key.
func (v *values) null() bool {
	for i := range v.len() {
		if v.at(i) != "" {
			return false
		}
	}
	return true
}

// variable returns the one value of a key that a policy variable stands for.
func (ev *evaluation) variable(k *keyRef) (string, bool) {
	v := ev.lookup(k)
	if v.len() != 1 {
		return "", false
	}
	return v.at(0), true
}

// lookup finds a key's values: what the operation says, then what the gateway
// says, then what follows from the principal.
func (ev *evaluation) lookup(k *keyRef) values {
	if v, ok := ev.rq.Need.Context[k.name]; ok {
		return values{many: v}
	}
	if v, ok := ev.rq.Global[k.name]; ok {
		return values{many: v}
	}
	switch k.id {
	case keyOther:
		if v, ok := ev.rq.Need.Context.search(k.name); ok {
			return values{many: v}
		}
		v, _ := ev.rq.Global.search(k.name)
		return values{many: v}
	case keyResourceAccount:
		return presentValue(string(ev.rq.Need.ResourceAccount))
	case keyCurrentTime, keyEpochTime:
		if ev.rq.Time.IsZero() {
			return values{}
		}
		if k.id == keyEpochTime {
			return oneValue(strconv.FormatInt(ev.rq.Time.Unix(), 10))
		}
		return oneValue(ev.rq.Time.UTC().Format(time.RFC3339))
	default:
		return ev.who.key(k)
	}
}

// key computes a key from the principal.
func (p *Principal) key(k *keyRef) values {
	switch k.id {
	case keyUsername:
		if p.Type == User {
			return presentValue(p.UserName)
		}
	case keyUserID:
		return presentValue(p.UserID)
	case keyPrincipalARN:
		return presentValue(p.arnForKey())
	case keyPrincipalAccount:
		return presentValue(string(p.AccountID))
	case keyPrincipalType:
		return presentValue(p.Type.keyValue())
	case keyPrincipalTag:
		if v, ok := p.Tags[k.text[len(principalTagPrefix):]]; ok {
			return oneValue(v)
		}
		for name, v := range p.Tags {
			if strings.EqualFold(name, k.tag) {
				return oneValue(v)
			}
		}
	case keySourceIdentity:
		return presentValue(p.SourceIdentity)
	case keyFederatedProvider:
		return presentValue(p.FederatedProvider)
	case keyMFAPresent:
		if p.temporary() {
			return oneValue(strconv.FormatBool(p.MFAAge != nil))
		}
	case keyMFAAge:
		if p.temporary() && p.MFAAge != nil {
			return oneValue(strconv.FormatInt(int64(*p.MFAAge/time.Second), 10))
		}
	case keyTokenIssueTime:
		if p.temporary() {
			return oneValue(p.IssuedAt.UTC().Format(time.RFC3339))
		}
	default:
		return p.serviceKey(k.id)
	}
	return values{}
}

// serviceKey computes the keys about calls by and through AWS services.
func (p *Principal) serviceKey(id keyID) values {
	switch id {
	case keyIsAWSService:
		return oneValue(strconv.FormatBool(p.Type == Service))
	case keyServiceName:
		return presentValue(p.Service)
	case keyServiceNames:
		return presentValue(p.Service)
	case keyViaAWSService:
		return oneValue(strconv.FormatBool(len(p.CalledVia) > 0))
	case keyCalledVia:
		return values{many: p.CalledVia}
	case keyCalledViaFirst:
		if len(p.CalledVia) > 0 {
			return oneValue(p.CalledVia[0])
		}
	case keyCalledViaLast:
		if len(p.CalledVia) > 0 {
			return oneValue(p.CalledVia[len(p.CalledVia)-1])
		}
	}
	return values{}
}

// SPDX-License-Identifier: GPL-2.0-only
static void vmx_vcpu_load(struct kvm_vcpu *vcpu, int cpu)
{
	vmx_vcpu_load_vmcs(vcpu, cpu, NULL);

	after(vcpu);
}

/* Near misses: two VMCSs of one vCPU, and who calls it. */
static void vmx_switch_vmcs(struct kvm_vcpu *vcpu, int cpu)
{
	vmx_vcpu_load_vmcs(vcpu, cpu, prev);
}

static void vmx_vcpu_create(struct kvm_vcpu *vcpu, int cpu)
{
	vmx_vcpu_load(vcpu, cpu);
}

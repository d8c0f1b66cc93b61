// SPDX-License-Identifier: GPL-2.0-only
void noinline vmx_vcpu_load(struct kvm_vcpu *vcpu, int cpu);

static noinline void vac_vmx_switch(struct kvm_vcpu *vcpu, int cpu)
{
	vac_vcpu_switch(vcpu->kvm->arch.vac_vm, vcpu->arch.vac_vcpu);
	this_cpu_write(current_vmcs, NULL);
	vmx_vcpu_load(vcpu, cpu);
}

void vmx_vcpu_load(struct kvm_vcpu *vcpu, int cpu)
{
	if (!vac_vcpu_is_last(vcpu->arch.vac_vcpu)) {
		vac_vmx_switch(vcpu, cpu);
		return;
	}
	vmx_vcpu_load_vmcs(vcpu, cpu, NULL);

	vmx_vcpu_pi_load(vcpu, cpu);
}

/* Near miss: another function's head. */
void vmx_vcpu_put(struct kvm_vcpu *vcpu)
{
	vmx_vcpu_pi_put(vcpu);
}

// Behaviour of the vendor's primitives that generated machines instantiate, for simulation only:
// our own text, as far as hdl/rows and hdl/control use them. tests/hdl/rows/test_row_formal.py holds
// the instances of hdl/rows against their plain twins, by Yosys' models where it has some.

// A DSP slice as `P = PCIN * z + (A + D) * B`, all stages registered (hdl/rows/dsp.py).
module multiply_add_slice #(
    parameter WIDTH = 27
) (
    input CLK, CE, RST, cascade,
    input signed [WIDTH-1:0] A, D,
    input signed [17:0] B,
    input signed [47:0] PCIN,
    output reg signed [47:0] P
);
    reg signed [WIDTH-1:0] a2, d1, ad;
    reg signed [17:0] b1, b2;
    reg signed [WIDTH+17:0] product;
    initial begin
        a2 = 0; d1 = 0; ad = 0; b1 = 0; b2 = 0; product = 0; P = 0;
    end
    always @(posedge CLK) begin
        if (RST) begin
            a2 <= 0; d1 <= 0; ad <= 0; b1 <= 0; b2 <= 0; product <= 0; P <= 0;
        end else if (CE) begin
            a2 <= A; d1 <= D; ad <= a2 + d1;
            b1 <= B; b2 <= b1;
            product <= ad * b2;
            P <= (cascade ? PCIN : 48'sd0) + {{30 - WIDTH{product[WIDTH+17]}}, product};
        end
    end
endmodule

module DSP48E1 #(
    parameter AREG = 1, ACASCREG = 1, BREG = 1, BCASCREG = 1, DREG = 1, ADREG = 1, MREG = 1,
    parameter PREG = 1, CREG = 1, OPMODEREG = 1, ALUMODEREG = 1, INMODEREG = 1, CARRYINREG = 1,
    parameter CARRYINSELREG = 1,
    parameter USE_MULT = "MULTIPLY", USE_SIMD = "ONE48", USE_DPORT = "FALSE"
) (
    input CLK,
    input signed [29:0] A, ACIN,
    input signed [17:0] B, BCIN,
    input signed [24:0] D,
    input [47:0] C, PCIN,
    input [3:0] ALUMODE,
    input [6:0] OPMODE,
    input [4:0] INMODE,
    input [2:0] CARRYINSEL,
    input CARRYIN, CARRYCASCIN, MULTSIGNIN,
    input CEA1, CEA2, CEB1, CEB2, CEC, CED, CEAD, CEM, CEP, CECTRL, CEALUMODE, CEINMODE, CECARRYIN,
    input RSTA, RSTB, RSTC, RSTD, RSTM, RSTP, RSTCTRL, RSTALUMODE, RSTINMODE, RSTALLCARRYIN,
    output [47:0] P, PCOUT
);
    multiply_add_slice #(.WIDTH(25)) slice (
        .CLK, .CE(CEP), .RST(RSTP), .cascade(OPMODE[4]), .A(A[24:0]), .D, .B, .PCIN, .P);
    assign PCOUT = P;
endmodule

module DSP48E2 #(
    parameter AREG = 1, ACASCREG = 1, BREG = 1, BCASCREG = 1, DREG = 1, ADREG = 1, MREG = 1,
    parameter PREG = 1, CREG = 1, OPMODEREG = 1, ALUMODEREG = 1, INMODEREG = 1, CARRYINREG = 1,
    parameter CARRYINSELREG = 1,
    parameter USE_MULT = "MULTIPLY", USE_SIMD = "ONE48",
    parameter AMULTSEL = "A", BMULTSEL = "B", PREADDINSEL = "A"
) (
    input CLK,
    input signed [29:0] A, ACIN,
    input signed [17:0] B, BCIN,
    input signed [26:0] D,
    input [47:0] C, PCIN,
    input [3:0] ALUMODE,
    input [8:0] OPMODE,
    input [4:0] INMODE,
    input [2:0] CARRYINSEL,
    input CARRYIN, CARRYCASCIN, MULTSIGNIN,
    input CEA1, CEA2, CEB1, CEB2, CEC, CED, CEAD, CEM, CEP, CECTRL, CEALUMODE, CEINMODE, CECARRYIN,
    input RSTA, RSTB, RSTC, RSTD, RSTM, RSTP, RSTCTRL, RSTALUMODE, RSTINMODE, RSTALLCARRYIN,
    output [47:0] P, PCOUT
);
    multiply_add_slice #(.WIDTH(27)) slice (
        .CLK, .CE(CEP), .RST(RSTP), .cascade(OPMODE[4]), .A(A[26:0]), .D, .B, .PCIN, .P);
    assign PCOUT = P;
endmodule

module CARRY4 (
    output [3:0] CO, O,
    input CI, CYINIT,
    input [3:0] DI, S
);
    // The chain is an addition: generate and propagate out of DI and S.
    wire [3:0] other = S ^ DI;
    wire [4:0] total = {1'b0, DI} + {1'b0, other} + {4'b0, CI | CYINIT};
    wire [3:0] carry = total[3:0] ^ S;
    assign O = total[3:0];
    assign CO = {total[4], carry[3:1]};
endmodule

module CARRY8 #(
    parameter CARRY_TYPE = "SINGLE_CY8"
) (
    output [7:0] CO, O,
    input CI, CI_TOP,
    input [7:0] DI, S
);
    wire [7:0] other = S ^ DI;
    wire [8:0] total = {1'b0, DI} + {1'b0, other} + {8'b0, CI};
    wire [7:0] carry = total[7:0] ^ S;
    assign O = total[7:0];
    assign CO = {total[8], carry[7:1]};
endmodule

// A flip-flop with clock enable and synchronous reset (hdl/control/reset_tree.py).
module FDRE #(
    parameter INIT = 1'b0
) (
    input C, CE, R, D,
    output reg Q
);
    initial Q = INIT;
    always @(posedge C)
        if (R) Q <= 1'b0;
        else if (CE) Q <= D;
endmodule

module LUT6 #(
    parameter [63:0] INIT = 64'h0
) (
    output O,
    input I0, I1, I2, I3, I4, I5
);
    assign O = INIT[{I5, I4, I3, I2, I1, I0}];
endmodule

module LUT6_2 #(
    parameter [63:0] INIT = 64'h0
) (
    output O5, O6,
    input I0, I1, I2, I3, I4, I5
);
    wire [5:0] row = {I5, I4, I3, I2, I1, I0};
    assign O6 = INIT[row];
    assign O5 = INIT[{1'b0, row[4:0]}];
endmodule
